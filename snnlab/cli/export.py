"""The commands `snnlab export` and `snnlab import-nir`."""

import os
from typing import TYPE_CHECKING

import click

from snnlab.cli.cli_errors import cli_errors

if TYPE_CHECKING:
    from snnlab.delays.export.export import Format
    from snnlab.nn.delay_net_config import DelayNetConfig


@click.command()
@click.argument("checkpoint")
@click.argument("out")
@click.option(
    "--to",
    required=True,
    type=click.Choice(["nir", "brian2", "onnx", "npz"]),
    help="npz: plain arrays; brian2: a Python script",
)
@click.option("--dt-ms", type=float, help="length of a time step, ms, if CHECKPOINT lacks it")
@click.option("--overwrite", is_flag=True, help="replace OUT if it exists")
@cli_errors
def export(checkpoint: str, out: str, to: "Format", dt_ms: float | None, overwrite: bool) -> None:
    """Write the network of CHECKPOINT to OUT, for another program.

    Delays are rounded to whole steps, batch norm is folded into the weights, and all numbers are
    float64. CHECKPOINT may be the folder of a run, whose best network is exported.
    """
    from snnlab.delays.export.export import export_network

    plain = export_network(checkpoint, out, to=to, dt_ms=dt_ms, overwrite=overwrite)
    sizes = "-".join(str(size) for size in (plain.n_in, *(len(p.bias) for p in plain.layers)))
    synapses = sum(len(layer.weight) for layer in plain.layers)
    longest = max(int(layer.delay.max(initial=0)) for layer in plain.layers)
    click.echo(
        f"{out}: {sizes}, {synapses} synapses, delays of 0 to {longest} steps of {plain.dt_ms:g} ms"
    )


@click.command("import-nir")
@click.argument("file")
@click.option("--dt-ms", type=float, help="length of a time step, ms, if FILE lacks it")
@click.option("--out", help="the checkpoint  [default: FILE with .snnlab.pt]")
@click.option("--overwrite", is_flag=True, help="replace the checkpoint if it exists")
@cli_errors
def import_nir(file: str, dt_ms: float | None, out: str | None, overwrite: bool) -> None:
    """Convert FILE, a network in NIR, to a checkpoint that notebook 05 explores.

    It has delays, linear layers, LIF neurons and a leaky readout, in a chain; delays become whole
    steps.
    """
    from snnlab.delays.export.nir_import import read_network
    from snnlab.delays.loading import convert_file

    out = checkpoint_of(file) if out is None else out
    config = convert_file(read_network, file, out, overwrite=overwrite, dt_ms=dt_ms).config
    print_network(out, config, "max_delay", "kernel_count", "tau", "tail", "dt_ms")


def checkpoint_of(file: str) -> str:
    """Return the name of the checkpoint of a file of another program."""
    return os.path.splitext(file)[0] + ".snnlab.pt"


def print_network(out: str, config: "DelayNetConfig", *names: str) -> None:
    """Print the sizes of the network in a checkpoint, and the settings of these names."""
    sizes = "-".join(map(str, (config.n_in, *config.hidden, config.n_classes)))
    values = ", ".join(f"{name} = {getattr(config, name)}" for name in names)
    click.echo(f"{out}: {sizes}, {values}")
