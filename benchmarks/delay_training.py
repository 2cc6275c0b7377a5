"""Compare a training step and an inference step with delays, snnlab beside its peers.

    python benchmarks/delay_training.py [--rows shd,ssc,...] [--repeats 3] [--threads 2] [--device
    auto] [--json FILE]

The peer is the network of Hammouamri et al. 2024 from its parts: DCLS's `Dcls1d` on `(B, N, T)`,
SpikingJelly's batch norm, `LIFNode` in multi-step mode and dropout, Adam for weights and for
delays. Both have the same weights, and their losses are compared before anything is timed.
Inference is done with rounded delays, by each in its own way. They take turns. Shown are the median
of each, the ratio of the medians with the lowest and the highest ratio of neighbours, and the peak
memory of a process that does nothing but train with one of them.

The row "kinds" has no peer: it compares the training step of one hidden layer of SHD's network
(forward, backward, Adam) for each kind of delays, with the spectral engine for synaptic ones.
Shown are the minimum of each and its ratio to the synaptic layer's.

Rows whose name has no "tail" are arranged as in the authors' code: every delay layer appends
(L-1)//2 steps. The "tail" rows have snnlab's own arrangement, the same number of steps in every
layer, for both.

The rows "1ms-64", "1ms-256" and "1ms-1024" have 1,000 steps of 1 ms, 700 channels, and delays up to
so many steps; no steps are appended. The peer's step would take half an hour there and more. One
step is measured with one recording and one with two, and a straight line through both gives its
seconds at the batch size of the row. With 1,024 steps that takes too long, too.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import click
import torch
from DCLS.construct.modules import Dcls1d
from report import json_option, write
from rich.console import Console
from rich.table import Table
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from snnlab._utils.memory import keep_freed_memory
from snnlab.delays.ablation import discretise
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import Kind
from snnlab.nn.fft_convolution import operations
from snnlab.training.evaluation import pick_device
from snnlab.training.trainer import train_step

EPOCH = 8156  # recordings of SHD's training set


@dataclasses.dataclass(frozen=True)
class Row:
    batch: int
    sizes: tuple[int, ...]
    taps: int
    tau: float
    dropout: float
    tail: int | None = None  # None: the authors' arrangement
    steps: int = 100
    with_peer: bool = True

    @property
    def slow(self) -> bool:
        """Whether the peer takes so long that one of its training steps has to do."""
        return self.taps > 100

    def ours(self) -> DelayNet:
        return DelayNet(
            self.sizes[0],
            self.sizes[1:-1],
            self.sizes[-1],
            max_delay=self.taps - 1,
            tau=self.tau,
            dropout=self.dropout,
            tail=self.tail,
            padding="reference" if self.tail is None else "fixed",
        )

    def batch_of_spikes(self) -> tuple[Tensor, Tensor]:
        x = (torch.rand(self.steps, self.batch, self.sizes[0]) < 0.05).float()
        # Every recording lasts to the end, so that both arrangements see the same steps
        x[-1, :, 0] = 1
        return x, torch.randint(self.sizes[-1], (self.batch,))


ROWS = {
    "shd": Row(256, (140, 256, 256, 20), 25, 1.005, 0.4),
    "ssc": Row(128, (140, 512, 512, 512, 35), 31, 1.5, 0.25),
    "shd-1s": Row(256, (140, 256, 256, 20), 101, 1.005, 0.4),
    "shd-tail": Row(256, (140, 256, 256, 20), 25, 1.005, 0.4, tail=24),
    "shd-1s-tail": Row(256, (140, 256, 256, 20), 101, 1.005, 0.4, tail=24),
}
FINE = {
    f"1ms-{ms}": Row(256, (700, 256, 256, 20), ms + 1, 10.05, 0.4, 0, 1000, ms <= 256)
    for ms in (64, 256, 1024)
}

# Shows that a measurement runs; its memory would be that of an idle process
TINY = {"tiny": Row(4, (12, 8, 8, 4), 5, 1.5, 0.0)}


class Peer(nn.Module):
    """The authors' network, from DCLS and SpikingJelly."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        make = {
            "kernel_count": 1,
            "bias": False,
            "dilated_kernel_size": row.taps,
            "version": "gauss",
        }
        self.synapses = nn.ModuleList(
            Dcls1d(before, after, **make) for before, after in pairwise(row.sizes)
        )
        hidden = row.sizes[1:-1]
        self.norms = nn.ModuleList(layer.BatchNorm1d(size, step_mode="m") for size in hidden)
        spiking = {
            "tau": row.tau,
            "decay_input": False,
            "v_reset": 0.0,
            "detach_reset": True,
            "step_mode": "m",
        }
        spiking["surrogate_function"] = surrogate.ATan(5.0)
        self.neurons = nn.ModuleList(neuron.LIFNode(v_threshold=1.0, **spiking) for _ in hidden)
        self.dropouts = nn.ModuleList(layer.Dropout(row.dropout, step_mode="m") for _ in hidden)
        self.readout = neuron.LIFNode(v_threshold=1e9, store_v_seq=True, **spiking)
        for synapses in self.synapses:
            synapses.SIG.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        if self.row.tail is not None:
            x = F.pad(x, (0, 0, 0, 0, 0, self.row.tail))
        for synapses, norm, neurons, dropout in zip(
            self.synapses, self.norms, self.neurons, self.dropouts, strict=False
        ):
            x = norm(self.delayed(synapses, x).unsqueeze(3)).squeeze(3)
            x = dropout(neurons(x))
        self.readout(self.delayed(self.synapses[-1], x))
        scores = self.readout.v_seq.softmax(-1).sum(0)
        functional.reset_net(self)
        return scores

    def delayed(self, synapses: nn.Module, x: Tensor) -> Tensor:
        more = (self.row.taps - 1) // 2 if self.row.tail is None else 0
        return synapses(F.pad(x.permute(1, 2, 0), (self.row.taps - 1, more))).permute(2, 0, 1)

    def rounded(self) -> Peer:
        """As the authors evaluate: whole positions, and the narrowest Gaussian."""
        copied = copy.deepcopy(self).eval()
        with torch.no_grad():
            for synapses in copied.synapses:
                synapses.P.round_()
                synapses.SIG.zero_()
        return copied

    def adams(self, recipe: DelayRecipe) -> list[torch.optim.Optimizer]:
        weights = [synapses.weight for synapses in self.synapses]
        groups = [
            {"params": weights, "weight_decay": recipe.weight_decay},
            {"params": self.norms.parameters()},
        ]
        delays = [synapses.P for synapses in self.synapses]
        return [
            torch.optim.Adam(groups, lr=recipe.lr_weights),
            torch.optim.Adam(delays, lr=recipe.lr_delays),
        ]

    def clamp(self) -> None:
        with torch.no_grad():
            for synapses in self.synapses:
                synapses.P.clamp_(-(self.row.taps // 2), self.row.taps // 2)


def steps(
    row: Row, who: str, device: torch.device
) -> tuple[nn.Module, Callable[[], Tensor], Callable[[], Tensor]]:
    """Return a network, a function of one training step, and one of an inference step.

    The training step returns the loss. The inference step has whole delays and returns the scores.
    """
    torch.manual_seed(0)
    x, y = (value.to(device) for value in row.batch_of_spikes())
    ours = row.ours()
    for synapses in delay_layers(ours).values():
        synapses.sigma = 3.0
    net: nn.Module = ours
    if who == "peer":
        net = Peer(row)
        net.load_state_dict(ours.state_dict())
    net.to(device)
    recipe = DelayRecipe()
    adams = recipe.optimisers(ours) if who == "snnlab" else net.adams(recipe)

    def train() -> Tensor:
        net.train()
        if who == "snnlab":
            return train_step(ours, x, y, adams, recipe)[0]
        loss = F.cross_entropy(net(x), y)
        for adam in adams:
            adam.zero_grad()
        loss.backward()
        for adam in adams:
            adam.step()
        net.clamp()
        return loss.detach()

    rounded = discretise(ours) if who == "snnlab" else net.rounded()

    @torch.no_grad()
    def infer() -> Tensor:
        return rounded(x)

    return net, train, infer


def agree(row: Row, device: torch.device) -> float:
    """Return the relative difference of both losses of a training step, without dropout.

    With dropout the two networks would draw different masks.
    """
    batch = min(row.batch, 8) if row.slow else row.batch
    certain = dataclasses.replace(row, dropout=0.0, batch=batch)
    losses = [steps(certain, who, device)[1]().item() for who in ("snnlab", "peer")]
    difference = abs(losses[0] - losses[1]) / losses[1]
    # A rounding error moves a spike that is exactly at threshold, no more
    assert difference < 1e-3, losses
    return difference


def seconds(step: Callable[[], Tensor], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def train_alone(
    row: Row, who: str, device: str, threads: int, n: int = 2
) -> tuple[float, list[float]]:
    """Return the GiB that n training steps add to the memory of this process, and their seconds."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = torch.device(device)
    _, train, _ = steps(row, who, where)
    before = 0.0 if device == "cuda" else resident("VmRSS")
    times = [seconds(train, where) for _ in range(n)]
    peak = (
        torch.cuda.max_memory_allocated() / 2**30
        if device == "cuda"
        else resident("VmHWM") - before
    )
    return peak, times


def resident(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 2**20
    return float("nan")


def measure(
    name: str, device: torch.device, threads: int, repeats: int, bar: tqdm
) -> dict[str, Any]:
    row = (ROWS | TINY)[name]
    bar.set_description(f"{name}: losses")
    result: dict[str, Any] = {"row": name, "loss_difference": agree(row, device)}
    bar.update()
    processes = multiprocessing.get_context("spawn")
    alone: dict[str, float] = {}
    for who in () if name in TINY else ("snnlab", "peer"):
        bar.set_description(f"{name}: memory of {who}")
        with processes.Pool(1) as pool:
            n = 1 if row.slow and who == "peer" else 2
            result[f"{who}_memory_gib"], times = pool.apply(
                train_alone, (row, who, device.type, threads, n)
            )
            alone[who] = min(times)
        bar.update()
    _, *ours = steps(row, "snnlab", device)
    _, *peer = steps(row, "peer", device)
    for kind, mine, theirs in zip(("train", "infer"), ours, peer, strict=True):
        pairs = [(alone["snnlab"], alone["peer"])] if row.slow and kind == "train" else []
        if not pairs:
            mine(), theirs()
        while len(pairs) < (1 if row.slow else repeats):
            bar.set_description(f"{name}: {kind} {len(pairs) + 1}")
            pairs.append((seconds(mine, device), seconds(theirs, device)))
            bar.update()
        a, b = zip(*pairs, strict=True)
        ratios = sorted(y / x for x, y in pairs)
        result[kind] = {
            "snnlab_s": statistics.median(a),
            "peer_s": statistics.median(b),
            "ratio_of_medians": statistics.median(b) / statistics.median(a),
            "ratio_of_pairs": [ratios[0], statistics.median(ratios), ratios[-1]],
            "pairs_s": pairs,
        }
    return result


def measure_fine(name: str, device: torch.device, threads: int, bar: tqdm) -> dict[str, Any]:
    """Measure a row with steps of 1 ms: ours as it is, the peer extrapolated."""
    row = FINE[name]
    result: dict[str, Any] = {
        "row": name,
        "batch": row.batch,
        "how": f"wall time, {threads} threads",
    }
    result["direct_g"] = convolution_operations(row)[0]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:

        def alone(who: str, batch: int, n: int) -> tuple[float, float]:
            bar.set_description(f"{name}: {who}, batch {batch}")
            one = dataclasses.replace(row, batch=batch)
            memory, times = pool.apply(train_alone, (one, who, device.type, threads, n))
            bar.update()
            return memory, min(times)

        memory, step = alone("snnlab", row.batch, 2)
        result |= {"snnlab_memory_gib": memory, "snnlab_s": step}
        if row.with_peer:
            (_, one), (_, two) = (alone("peer", batch, 1) for batch in (1, 2))
            result["peer_measured_s"] = [one, two]
            result["peer_s"] = one + (two - one) * (row.batch - 1)
            result["ratio"] = result["peer_s"] / step
    for who in ("peer", "snnlab"):
        if f"{who}_s" in result:
            result[f"{who}_epoch_s"] = EPOCH / row.batch * result[f"{who}_s"]
    return result


def show_fine(results: Sequence[dict[str, Any]]) -> None:
    table = Table(title="steps of 1 ms, training step; the peer extrapolated from small batches")
    for column in ("", "peer (s)", "snnlab (s)", "ratio", "memory: snnlab (GiB)"):
        table.add_column(column, justify="right" if column else "left")
    keys = ("peer_s", "snnlab_s", "ratio", "snnlab_memory_gib")
    for result in results:
        table.add_row(
            result["row"], *(f"{result[key]:.1f}" if key in result else "" for key in keys)
        )
    Console(width=max(Console().width, 120)).print(table)


def layer_step(row: Row, kind: Kind, device: torch.device) -> Callable[[], Tensor]:
    """Return a function of one training step of the second layer alone."""
    torch.manual_seed(0)
    n_in, n_out = row.sizes[1:3]
    layer = DelayLinear(n_in, n_out, row.taps - 1, kind=kind, engine="spectral").to(device)
    layer.sigma = 3.0
    shape = row.steps + (row.taps - 1) // 2, row.batch
    x = (torch.rand(*shape, n_in, device=device) < 0.05).float().requires_grad_()
    grad = torch.randn(*shape, n_out, device=device)
    adams = DelayRecipe().optimisers(layer)

    def train() -> Tensor:
        for leaf in (x, *layer.parameters()):
            leaf.grad = None
        currents = layer(x)
        currents.backward(grad)
        for adam in adams:
            adam.step()
        layer.clamp_delays()
        return currents.detach()

    return train


def measure_kinds(device: torch.device, repeats: int, bar: tqdm) -> dict[str, list[float]]:
    """Return the seconds of each kind's training step; the kinds take turns."""
    steps = {kind: layer_step(ROWS["shd"], kind, device) for kind in get_args(Kind)}
    times: dict[str, list[float]] = {kind: [] for kind in steps}
    for i in range(repeats + 1):
        bar.set_description(f"kinds: {i}/{repeats}")
        for kind, step in steps.items():
            times[kind].append(seconds(step, device))
        bar.update()
    return {kind: measured[1:] for kind, measured in times.items()}  # the first ones compile


def show_kinds(times: dict[str, list[float]]) -> dict[str, float]:
    """Print the minimum of each kind, and return its ratio to the synaptic layer's."""
    table = Table(title="training step of one layer, minimum")
    for column in ("kind", "seconds", "of synaptic"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    shares = {kind: min(measured) / min(times["synaptic"]) for kind, measured in times.items()}
    for kind, measured in times.items():
        table.add_row(kind, f"{min(measured):.4f}", f"{shares[kind]:.2f}")
    Console().print(table)
    return shares


def convolution_operations(row: Row) -> tuple[float, float]:
    """Count the operations (10^9) of a training step's convolutions, direct and spectral."""
    direct = spectral = 0.0
    length = row.steps
    for index, (before, after) in enumerate(pairwise(row.sizes)):
        # Nobody asks for the gradient of the network's input
        heard, times = length, 2 if index == 0 else 3
        length += (row.taps - 1) // 2 if row.tail is None else (row.tail if index == 0 else 0)
        direct += times * operations(length, row.batch, before, after, row.taps)[0] / 1e9
        spectral += times * operations(heard, row.batch, before, after, row.taps)[1] / 1e9
    return direct, spectral


def show(results: Sequence[dict[str, Any]], machine: dict[str, Any]) -> None:
    table = Table(
        title=(
            f"{machine['device']}, {machine['threads']} threads; median seconds, ratio (lowest to"
            " highest)"
        )
    )
    for column in (
        "",
        "training: peer",
        "snnlab",
        "ratio",
        "inference: peer",
        "snnlab",
        "ratio",
        "memory: peer",
        "snnlab",
    ):
        table.add_column(column, justify="right" if column else "left")
    for result in results:
        cells = [result["row"]]
        for kind in ("train", "infer"):
            timed = result[kind]
            low, _, high = timed["ratio_of_pairs"]
            cells += [f"{timed['peer_s']:.3f}", f"{timed['snnlab_s']:.3f}"]
            cells.append(f"{timed['ratio_of_medians']:.1f} ({low:.1f} to {high:.1f})")
        memory = (result.get(f"{who}_memory_gib", math.nan) for who in ("peer", "snnlab"))
        cells += [f"{gib:.2f} GiB" for gib in memory]
        table.add_row(*cells)
    console = Console(width=max(Console().width, 120))
    console.print(table)
    for result in results:
        row = (ROWS | TINY)[result["row"]]
        direct, spectral = convolution_operations(row)
        epoch = EPOCH / row.batch * result["train"]["snnlab_s"]
        console.print(
            f"{result['row']}: {direct:.0f} G operations in direct convolutions, {spectral:.0f} G"
            f" in spectral ones; {EPOCH:,} recordings in {epoch:.1f} s"
        )


NAMES = [*ROWS, *FINE, "kinds"]


def comparisons(
    results: Sequence[dict[str, Any]], fine: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return what rows cost relative to each other, as far as they were measured."""
    by_name = {result["row"]: result for result in [*results, *fine]}
    figures: dict[str, Any] = {}
    for key, short, long in (
        ("longer", "shd", "shd-1s"),
        ("longer_tail", "shd-tail", "shd-1s-tail"),
    ):
        if {short, long} <= by_name.keys():
            figures[key] = {
                who: by_name[long]["train"][f"{who}_s"] / by_name[short]["train"][f"{who}_s"]
                for who in ("peer", "snnlab")
            }
    if "shd" in by_name:
        figures["epoch_s"] = EPOCH / ROWS["shd"].batch * by_name["shd"]["train"]["snnlab_s"]
    if fine:
        times = [result["snnlab_s"] for result in fine]
        figures["flatness"] = max(times) / min(times)
    return figures


@click.command()
@click.option(
    "--rows",
    default=",".join(NAMES),
    show_default=True,
    help="Which rows, separated by commas.",
)
@click.option("--repeats", default=3, show_default=True, help="Pairs of steps; one at 1 s.")
@click.option("--threads", default=os.cpu_count(), show_default=True, help="Threads for both.")
@click.option(
    "--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"])
)
@json_option
def main(rows: str, repeats: int, threads: int, device: str, out: str | None) -> None:
    names = rows.split(",")
    if unknown := sorted(set(names) - {*NAMES, *TINY}):
        raise click.BadParameter(
            f"{', '.join(unknown)}: expected some of {', '.join(NAMES)}.", param_hint="--rows"
        )
    rows_with_peer = [name for name in names if name in ROWS | TINY]
    fine_rows = [name for name in names if name in FINE]
    torch.set_num_threads(threads)
    keep_freed_memory()  # for both: it is a setting of the process
    where = pick_device(device)
    if where.type == "cuda":
        torch.backends.cudnn.benchmark = True
    machine = {
        "device": (
            torch.cuda.get_device_name()
            if where.type == "cuda"
            else platform.processor() or platform.machine()
        ),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("torch", "spikingjelly", "dcls", "numba", "snnlab")
        },
        "tf32": torch.backends.cuda.matmul.allow_tf32,
    }
    counts = [1 if (ROWS | TINY)[name].slow else 2 * repeats for name in rows_with_peer]
    total = sum(3 + count for count in counts) + (repeats + 1) * ("kinds" in names)
    total += sum(3 if FINE[name].with_peer else 1 for name in fine_rows)
    with tqdm(total=total, unit="step") as bar:
        kinds = measure_kinds(where, repeats, bar) if "kinds" in names else {}
        results = [measure(name, where, threads, repeats, bar) for name in rows_with_peer]
        fine = [measure_fine(name, where, threads, bar) for name in fine_rows]
    if results:
        show(results, machine)
    if fine:
        show_fine(fine)
    shares = show_kinds(kinds) if kinds else {}
    figures = {"machine": machine, "results": results, "fine": fine}
    relative = comparisons(results, fine)
    click.echo("; ".join(f"{name}: {value}" for name, value in relative.items()))
    write(out, figures | {"kinds_s": kinds, "kinds": shares} | relative)


if __name__ == "__main__":
    main()
