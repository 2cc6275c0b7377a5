"""`export_network`: write a trained network for another program."""

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from torch import nn

from snnlab._utils.fields import known
from snnlab._utils.files import whole_file
from snnlab.delays.export import nir_file, onnx_file
from snnlab.delays.export.plain import PlainNetwork, describe
from snnlab.delays.loading import best_checkpoint, open_network, output_file

Format = Literal["nir", "brian2", "onnx", "npz"]
TEMPLATE = Path(__file__).with_name("brian2_script.py")


def export_network(
    network: str | Path | nn.Module,
    out: str | Path,
    *,
    to: Format,
    dt_ms: float | None = None,
    overwrite: bool = False,
) -> PlainNetwork:
    r"""Write a trained network with delays for another program.

    Delays are rounded and clamped as by `discretise`, batch norm is folded into weights and a
    constant current, and all numbers are float64. Dropout is left out, as in every evaluation. The
    exported network gives the spikes of the hidden layers and the potentials of the readout; the
    scores are a softmax of these, summed over the steps up to `tail` steps after the last input
    spike.

    Args:
        network: a spiking `DelayNet`, or a checkpoint or folder as `open_network` opens it.
        out: the file to write.
        to: "nir": a graph of the Neuromorphic Intermediate Representation, times in seconds.
            "brian2": a Python script with the whole network. "onnx": a graph with one Scan over the
            time steps. "npz": `PlainNetwork.arrays`.
        dt_ms: length of a time step, ms; None for that of the network.
        overwrite: whether an existing file may be replaced.

    Returns:
        What was written, as plain arrays.

    Raises:
        SnnlabError: the format is unknown, its package is missing, the file exists or is the
            checkpoint, the network cannot be opened, or one of its layers cannot be exported.

    Example:
        >>> import tempfile
        >>> from snnlab.nn.delay_net import DelayNet
        >>> net = DelayNet(n_in=70, hidden=[4], n_classes=20, max_delay=12, tau=2.0, dt_ms=20)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plain = export_network(net, f"{folder}/net.npz", to="npz")
        >>> len(plain.layers), plain.tail
        (2, 12)
    """
    write = _WRITERS[known(to, _WRITERS, "format")]
    model: Any = network
    checkpoint = best_checkpoint(network) if isinstance(network, str | Path) else None
    out = output_file(out, overwrite=overwrite, read=checkpoint)
    if checkpoint is not None:
        model, dt_ms = open_network(checkpoint, dt_ms=dt_ms)
    plain = describe(model, dt_ms)
    with whole_file(out) as temporary:
        write(plain, temporary)
    return plain


def _write_npz(plain: PlainNetwork, path: Path) -> None:
    with open(path, "wb") as file:  # a path would get the suffix .npz
        _save_arrays(plain, file)


def _write_brian2(plain: PlainNetwork, path: Path) -> None:
    """Write `brian2_script.py`, which needs Brian2 alone, with the network's arrays in it."""
    content = io.BytesIO()
    _save_arrays(plain, content)
    arrays = base64.encodebytes(content.getvalue()).decode()
    script = TEMPLATE.read_text(encoding="utf-8").replace('ARRAYS = ""', f'ARRAYS = """{arrays}"""')
    path.write_text(script, encoding="utf-8")


def _save_arrays(plain: PlainNetwork, file: IO[bytes]) -> None:
    np.savez_compressed(file, allow_pickle=False, **plain.arrays())


_WRITERS: Mapping[str, Callable[[PlainNetwork, Path], None]] = {
    "nir": nir_file.write,
    "brian2": _write_brian2,
    "onnx": onnx_file.write,
    "npz": _write_npz,
}
