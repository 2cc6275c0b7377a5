"""Measure the cost of the monitor: notebook 04's network trained with it and without, in turns.

    python benchmarks/monitor.py [--repeats 3] [--epochs 12] [--threads 1] [--json FILE]

Both are `run_experiment` on the CPU with the notebook's settings. With the monitor it runs in a
thread, and widgets without a browser take the pictures. Shown are seconds of wall-clock time of all
epochs and all pictures, the first and the last among them, though a panel that is not live needs
the last one, too; their ratio; and the share of the pictures alone, which is less noisy. All losses
have to be the same, bit for bit.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import click
import torch
from report import json_option, write
from rich.console import Console
from tqdm.auto import tqdm

from snnlab._utils.memory import keep_freed_memory
from snnlab.course import tasks
from snnlab.course.config import resolve
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training.experiments import Experiment, ExperimentResult, run_experiment
from snnlab.viz.monitor import callback, monitor
from snnlab.viz.widgets import agg_canvas


def course(epochs: int) -> tuple[Experiment, Any]:
    """The network with learned delays that notebook 04 watches, and its data."""
    config = resolve("04_learning_delays", profile="course")
    digits = tasks.recordings(config)
    network = DelayNetConfig(
        n_in=config.n_in,
        hidden=config.hidden,
        n_classes=len(digits.classes),
        max_delay=config.max_delay,
        tau=config.tau_ms[0] / config.dt_ms,
        dropout=config.dropout,
    )
    stage = DelayStage(
        name="watched",
        network=network,
        epochs=epochs,
        batch_size=config.batch_size,
        lr_weights=config.lr_weights,
        lr_delays=config.lr_delays,
        weight_decay=config.weight_decay,
        anneal_share=config.anneal_share,
        device="cpu",
    )
    return delay_experiment(stage), digits


def timed(
    experiment: Experiment, data: Any, *, watched: bool
) -> tuple[dict[str, Any], ExperimentResult]:
    with tempfile.TemporaryDirectory() as folder:
        pictures: list[float] = []
        look = callback.MonitorCallback._look

        def looked(self: Any, progress: Any) -> None:
            began = time.perf_counter()
            look(self, progress)  # and draw, which is in the same process here
            pictures.append(time.perf_counter() - began)

        if watched:
            agg_canvas.text_image.cache_clear()  # a notebook watches one training
            agg_canvas.text_size.cache_clear()
            with mock.patch.object(callback.MonitorCallback, "_look", looked):
                outcome = monitor.watch(run_experiment, experiment, data, Path(folder)).result()
        else:
            outcome = run_experiment(experiment, data, Path(folder))
        # The pictures are no part of these
        epochs = sum(line["seconds"] for line in outcome.last.history)
        return {"epochs": epochs, "seconds": epochs + sum(pictures), "pictures": pictures}, outcome


@click.command()
@click.option("--repeats", default=3, show_default=True, help="Pairs of trainings.")
@click.option("--epochs", default=12, show_default=True, help="Of each; the notebook has 12.")
@click.option(
    "--threads", default=1, show_default=True, help="Of torch; the notebooks watch with 1."
)
@json_option
def main(repeats: int, epochs: int, threads: int, out: str | None) -> None:
    torch.set_num_threads(threads)
    keep_freed_memory()
    job, data = course(epochs)
    timed(job, data, watched=True)  # compiled loops, fonts
    pairs, losses = [], set()
    for number in tqdm(range(repeats), unit="pair"):
        pair = {}
        for watched in (True, False) if number % 2 else (False, True):
            pair[watched], outcome = timed(job, data, watched=watched)
            losses.add(tuple(line["loss"] for line in outcome.last.history))
        pairs.append(
            {"without": pair[False]["seconds"], "with": pair[True]["seconds"], **pair[True]}
        )
    assert len(losses) == 1, "watching changed the training"
    ratios = [pair["with"] / pair["without"] for pair in pairs]
    console = Console()
    for pair, ratio in zip(pairs, ratios, strict=True):
        pictures = pair["pictures"]
        console.print(
            f"without {pair['without']:.2f} s, with {pair['with']:.2f} s, ratio {ratio:.3f};"
            f" {len(pictures)} pictures took {sum(pictures) / pair['epochs']:.1%} of the training,"
            f" the first {pictures[0]:.2f} s and the last {pictures[-1]:.2f} s"
        )
    console.print(f"median ratio {statistics.median(ratios):.3f}; all losses equal bit for bit")
    shares = [100 * sum(pair["pictures"]) / pair["epochs"] for pair in pairs]
    ends = [pair["pictures"][0] + pair["pictures"][-1] for pair in pairs]
    figures: dict[str, Any] = {
        "percent": [min(shares), max(shares)],
        "ends_s": [min(ends), max(ends)],
    }
    figures |= {"worth_percent": 5, "shortest_s": [min(ends) / 0.05, max(ends) / 0.05]}
    write(out, figures | {"threads": threads, "epochs": epochs, "pairs": pairs})


if __name__ == "__main__":
    main()
