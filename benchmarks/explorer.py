"""Time the explorer's panels on a layer of a million synapses, from a control to the PNG.

    python benchmarks/explorer.py [--json FILE]

What is timed is the change of one control: another neuron, another layer, another recording,
another share of the delays. The browser's part comes on top and does not depend on the network.
Accuracy under a treatment is a pass over a set, and not here.
"""

import statistics
import time
from collections.abc import Callable

import click
import numpy as np
import torch
from report import json_option, write

from snnlab.data.batches.dense_set import DenseSet
from snnlab.delays import snapshots
from snnlab.nn.delay_net import DelayNet
from snnlab.viz.panels.arrivals import arrivals_panel
from snnlab.viz.panels.network_view import NetworkView, RecordingViewer
from snnlab.viz.panels.synapses import synapses_panel

BUDGET_MS = 150


def setting(
    side: int, steps: int, rate: float
) -> tuple[DelayNet, DenseSet, list[snapshots.DelayTrajectory]]:
    """Make a network of `side` inputs and hidden neurons, recordings and 30 epochs of delays.

    A share `rate` of the cells of each recording has a spike.
    """
    torch.manual_seed(0)
    net = DelayNet(side, (side,), 20, max_delay=24, tau=1.005).eval()
    x = (torch.rand(steps, 20, side) < rate).float()
    movements = []
    for layer in net.synapses:
        place = snapshots.sample_synapses(layer).numpy()
        way = np.random.default_rng(0).uniform(0, 240, (30, len(place))).astype(np.float32)
        movements.append(
            snapshots.DelayTrajectory(np.arange(30), *np.divmod(place, layer.in_features), way)
        )
    return net, DenseSet(x, torch.arange(20)), movements


def took_ms(change: Callable[[int], object], repeats: int) -> dict[str, float]:
    """Time changes of a control: the first, which may draw new axes, median and slowest."""
    took = []
    for i in range(repeats + 2):
        began = time.perf_counter()
        change(i)
        took.append(1000 * (time.perf_counter() - began))
    return {"first": took[0], "median": statistics.median(took[2:]), "slowest": max(took[2:])}


@click.command()
@click.option(
    "--side", default=1000, show_default=True, help="Inputs, and neurons of the hidden layer."
)
@click.option("--steps", default=100, show_default=True, help="Time steps of a recording.")
@click.option("--rate", default=0.05, show_default=True, help="Share of cells with a spike.")
@click.option("--repeats", default=11, show_default=True, help="Changes of each kind.")
@json_option
def main(side: int, steps: int, rate: float, repeats: int, out: str | None) -> None:
    net, recordings, movements = setting(side, steps, rate)
    of = NetworkView(net, 10.0)
    synapses = synapses_panel(of, movements)
    fires = arrivals_panel(RecordingViewer(of, recordings, [str(label) for label in range(20)]))

    def put(panel: object, name: str, value: object) -> None:
        panel.controls[name].value = value  # type: ignore[attr-defined]

    layers = of.names
    changes: dict[str, Callable[[int], object]] = {
        "synapses: another neuron of a million synapses": lambda i: put(
            synapses, "neuron", i % 7 + 1
        ),
        "synapses: another layer": lambda i: put(synapses, "layer", layers[(i + 1) % 2]),
        "coincidence: another neuron of a million synapses": lambda i: put(
            fires, "neuron", i % 7 + 1
        ),
        "coincidence: another share of its delays": lambda i: put(fires, "share", 10 * (i % 9)),
        "coincidence: another layer": lambda i: put(fires, "layer", layers[(i + 1) % 2]),
        "coincidence: another recording": lambda i: put(fires, "sample", i % 9 + 1),
    }
    results = {}
    for name, change in changes.items():
        results[name] = took = took_ms(change, repeats)
        told = (
            f"median {took['median']:4.0f} ms, slowest {took['slowest']:4.0f}, first"
            f" {took['first']:4.0f}"
        )
        click.echo(f"{name:52s}{told}   (budget {BUDGET_MS})")
        for panel in (synapses, fires):
            put(panel, "layer", layers[0])
    measured = list(results.values())
    write(
        out, {"neuron_ms": measured[0]["median"], "layer_ms": measured[1]["first"], "ms": results}
    )


if __name__ == "__main__":
    main()
