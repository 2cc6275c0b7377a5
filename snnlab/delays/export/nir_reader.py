"""Reading of NIR files: a chain of layers of delays, weights and leaky neurons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snnlab._utils.arrays import check_dt
from snnlab._utils.errors import SnnlabError, errors_at, reason_of
from snnlab._utils.optional import import_optional
from snnlab.delays.export.nir_file import PURPOSE
from snnlab.delays.export.plain import Array, PlainLayer, PlainNetwork
from snnlab.nn.network_config import LONGEST

NODES = ("Input", "Output", "Delay", "Linear", "Affine", "LIF", "LI")


class _Path(NamedTuple):
    """Nodes between two layers of neurons: the delays and weights that a signal meets."""

    source: str  # Input or neurons
    nodes: tuple[str, ...]


def read(path: str | Path, *, dt_ms: float | None = None) -> PlainNetwork:
    """Read a NIR file as plain arrays; delays are rounded to whole steps as by `discretise`.

    Between two layers of neurons a file may have any number of branches, each with one `Linear` or
    `Affine` and with delays before and behind it. `nir_file` states the units.

    Args:
        path: the file.
        dt_ms: length of a time step, ms; None for that in the file's metadata.

    Raises:
        SnnlabError: it is no NIR file, has a node or a connection that snnlab has no layer for,
            shapes do not fit together, or the length of a time step is unknown.
    """
    nir = import_optional("nir", PURPOSE, "export")
    if not Path(path).is_file():
        problem = "is a folder" if Path(path).is_dir() else "there is no such file"
        raise SnnlabError(f"{path}: {problem}; a file in NIR was expected. Check the path.")
    try:
        graph = nir.read(path, type_check=False)
        metadata = dict(graph.metadata)
        steps_ms = float(metadata.get("dt_ms", 0) if dt_ms is None else dt_ms)
        tail = None if "tail" not in metadata else int(metadata["tail"])
    except Exception as error:  # nir raises many kinds of errors on arbitrary content
        reason = f"{type(error).__name__}: {reason_of(error)[:200]}"
        raise SnnlabError(
            f"{path}: cannot be read as a NIR graph ({reason}); expected a file that nir.write "
            "wrote, with nodes that this version of nir knows."
        ) from error
    if dt_ms is None and "dt_ms" not in metadata:
        raise SnnlabError(
            f"{path}: does not say how long a time step is, only times in seconds; give dt_ms "
            "(--dt-ms), such as 1."
        )
    with errors_at(path):
        return _Reader(graph, check_dt(steps_ms)).network(tail)


class _Reader:
    """The nodes and edges of a graph, read from the input to the output."""

    def __init__(self, graph: Any, dt_ms: float) -> None:
        self.nodes: dict[str, Any] = dict(graph.nodes)
        self.dt_ms = dt_ms
        self.before: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in dict.fromkeys(map(tuple, graph.edges)):
            for name in (source, target):
                if name not in self.nodes:
                    raise SnnlabError(
                        f"an edge leads from {source} to {target}, and there is no node {name}; "
                        "expected edges between the nodes of the file."
                    )
            self.before[target].append(source)
        for name, node in self.nodes.items():
            if self.kind(name) not in NODES:
                raise SnnlabError(
                    f"the node {name} is of the type {type(node).__name__}, for which snnlab has "
                    f"no layer; expected {', '.join(NODES)}."
                )

    def kind(self, name: str) -> str:
        return type(self.nodes[name]).__name__

    def names(self, *kinds: str) -> list[str]:
        return [name for name in self.nodes if self.kind(name) in kinds]

    def network(self, tail: int | None) -> PlainNetwork:
        """Return all layers in their order."""
        follows: dict[str, tuple[str, list[_Path]]] = {}
        for name in self.names("LIF", "LI"):
            paths = self.paths(name, ())
            sources = {path.source for path in paths}
            if len(sources) != 1 or (source := sources.pop()) in follows or source == name:
                raise SnnlabError(
                    f"the neurons {name} are not one link of a chain: they feed themselves, have "
                    "no input, or share one with other neurons, or have several; recurrent and "
                    "branched networks have no counterpart in DelayNet."
                )
            follows[source] = name, paths
        inputs, outputs = self.names("Input"), self.names("Output")
        if len(inputs) != 1 or inputs[0] not in follows:
            raise SnnlabError(f"it has {len(inputs)} inputs that lead to neurons; expected one.")
        layers: list[PlainLayer] = []
        source, n_in, size = inputs[0], 0, 0
        while source in follows:
            source, paths = follows.pop(source)
            before, layer = self.layer(source, paths, size)
            n_in, size = n_in or before, len(layer.bias)
            layers.append(layer)
        if follows or [self.before[name] for name in outputs] != [[source]]:
            raise SnnlabError("its neurons are not one chain from the input to one output.")
        longest = max(int(layer.delay.max(initial=0)) for layer in layers)
        return PlainNetwork(n_in, tuple(layers), self.dt_ms, longest if tail is None else tail)

    def paths(self, name: str, behind: tuple[str, ...]) -> list[_Path]:
        """Return all ways from the neurons before to a node."""
        paths: list[_Path] = []
        for previous in self.before[name]:
            if previous in behind:
                raise SnnlabError(f"the node {previous} feeds itself without neurons between.")
            if self.kind(previous) in ("Input", "LIF", "LI"):
                paths.append(_Path(previous, behind))
            else:
                paths += self.paths(previous, (previous, *behind))
        return paths

    def layer(self, name: str, paths: list[_Path], n_in: int) -> tuple[int, PlainLayer]:
        """Return the number of inputs and one layer; `n_in` is 0 where the file has to say it."""
        branches = [self.branch(path, name) for path in paths]
        n_out = len(branches[0][1])
        n_in = n_in or branches[0][1].shape[1]
        expected = (n_out, n_in)
        for (_, weight, _, _), path in zip(branches, paths, strict=True):
            if weight.shape != expected:
                raise SnnlabError(
                    f"{', '.join(path.nodes)}: weights of the shape {weight.shape}, expected "
                    f"{expected}, as the layers beside them have."
                )
        node = self.nodes[name]
        values = {
            key: self.fitted(getattr(node, key), n_out, name, key)
            for key in ("tau", "r", "v_leak", "v_threshold", "v_reset")
            if hasattr(node, key)
        }
        for key in ("v_leak", "v_reset"):
            if values.get(key, np.zeros(1)).any():
                raise SnnlabError(f"{name}: has a {key} other than 0, which snnlab's neurons lack.")
        if (values["tau"] <= 0).any():
            raise SnnlabError(f"{name}: has a tau that is not above 0; expected seconds.")
        dt = self.dt_ms / 1000
        tau, fires = values["tau"] / dt, "v_threshold" in values
        gain = values["r"] / tau
        # Times in seconds lose digits, and a factor of 1 has to stay 1
        tau, gain = _whole_if_close(tau), _whole_if_close(gain)
        parts: list[tuple[Array, ...]] = []
        total = np.zeros(n_out)
        for first, weight, bias, last in branches:
            target, source = weight.nonzero()
            steps = np.rint(_whole_if_close((first[source] + last[target]) / dt))
            if not ((steps >= 0) & (steps <= LONGEST)).all():
                raise SnnlabError(
                    f"{name}: its input has negative delays or some of more than {LONGEST:,} "
                    "steps; expected seconds from 0, or a longer time step."
                )
            parts.append((source, target, steps.astype(np.int64), weight[target, source]))
            total += bias
        source, target, delay, weight = map(np.concatenate, zip(*parts, strict=True))
        return n_in, PlainLayer(
            source=source,
            target=target,
            delay=delay,
            weight=weight * gain[target],
            bias=total * gain,
            tau=tau,
            threshold=np.nextafter(values["v_threshold"], np.inf)
            if fires
            else np.full(n_out, np.inf),
        )

    def branch(self, path: _Path, name: str) -> tuple[Array, Array, Array, Array]:
        """Return delays of the inputs, weights, bias, and delays of the neurons; in seconds."""
        linear = [node for node in path.nodes if self.kind(node) in ("Linear", "Affine")]
        if len(linear) != 1:
            raise SnnlabError(
                f"{len(linear)} nodes of weights lie between {path.source} and {name} "
                f"({', '.join(path.nodes) or 'no node'}); expected one Linear or Affine."
            )
        node, place = self.nodes[linear[0]], path.nodes.index(linear[0])
        weight = np.asarray(node.weight, dtype=float)
        if weight.ndim != 2:
            raise SnnlabError(
                f"{linear[0]}: weights of the shape {weight.shape}, expected two axes."
            )

        def total(size: int, delays: Sequence[str]) -> Any:
            values = (self.fitted(self.nodes[name].delay, size, name, "delay") for name in delays)
            return sum(values, np.zeros(size))

        first, last = (
            total(weight.shape[1], path.nodes[:place]),
            total(len(weight), path.nodes[place + 1 :]),
        )
        bias = self.fitted(getattr(node, "bias", np.zeros(1)), len(weight), linear[0], "bias")
        if bias.any() and last.any():
            raise SnnlabError(f"{linear[0]}: its bias is delayed, which snnlab's layers cannot do.")
        return first, weight, bias, last

    def fitted(self, value: Any, size: int, name: str, what: str) -> Array:
        """Return one value a neuron; a file may have a single one for all."""
        array = np.asarray(value, dtype=float)
        if array.shape not in ((size,), (1,), ()):
            raise SnnlabError(f"{name}: {what} of the shape {array.shape}, expected ({size},).")
        if not np.isfinite(array).all():
            raise SnnlabError(f"{name}: {what} is not finite; choose another file.")
        return np.broadcast_to(array, (size,)).copy()


def _whole_if_close(values: Array) -> Array:
    """Round values that differ from a whole or half number by rounding errors only."""
    return np.where(
        np.abs(values * 2 - np.rint(values * 2)) < 1e-9, np.rint(values * 2) / 2, values
    )
