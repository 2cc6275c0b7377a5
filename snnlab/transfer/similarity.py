"""Similarity of two networks: cosines of their weights, CKA of their layers' outputs."""

from collections.abc import Iterable, Mapping

import torch
from numpy.typing import ArrayLike
from spikingjelly.activation_based.monitor import OutputMonitor
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.arrays import as_array
from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import Activation
from snnlab.nn.any_network import evaluation_mode, forward_sequence


def cosines(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, float]:
    """Compute the cosine similarity of two networks' weights, without biases and batch norm.

    Between networks with different first weights it is near 0 even if they compute the same,
    because neurons can be in any order.

    Args:
        a: `state_dict` of the first network.
        b: `state_dict` of the second network, of the same architecture.

    Returns:
        The similarity of each weight tensor, by name.

    Raises:
        SnnlabError: a tensor is missing in one of them or has another shape.
    """
    names = [name for name, value in a.items() if value.dim() > 1]
    for name in names + [name for name, value in b.items() if value.dim() > 1 and name not in a]:
        first, second = (tuple(both[name].shape) if name in both else "nothing" for both in (a, b))
        if first != second:
            raise SnnlabError(
                f"{name}: got {first} in the first network and {second} in the second; "
                "expected the same."
            )
    return {
        name: F.cosine_similarity(a[name].flatten(), b[name].flatten(), dim=0).item()
        for name in names
    }


def cka(x: Tensor | ArrayLike, y: Tensor | ArrayLike) -> float:
    r"""Compute the linear centred kernel alignment of two representations (Kornblith et al. 2019).

    $\lVert Y^\top X \rVert_F^2 / (\lVert X^\top X \rVert_F\, \lVert Y^\top Y \rVert_F)$ of the
    centred matrices. It is 1 if they are the same up to rotation and scale, in any order of the
    neurons, and 0 if one of them is the same for all samples, as of a layer without spikes.

    Args:
        x: `(n, features)`, a tensor, an array or a list.
        y: `(n, other features)` of the same samples.

    Returns:
        The similarity, from 0 to 1.

    Raises:
        SnnlabError: the numbers of samples differ, or are below two; a representation has other
            axes, or holds NaN or infinite values.

    Example:
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 4.0]])
        >>> round(cka(x, 2 * x.flip(1)), 6)
        1.0
    """
    x, y = _as_double("x", x), _as_double("y", y)
    if len(x) != len(y) or len(x) < 2:
        raise SnnlabError(
            f"got {len(x)} and {len(y)} samples; expected the same samples, at least two of them."
        )
    if (x == x[0]).all() or (y == y[0]).all():  # the rounding of the mean would be compared
        return 0.0
    x, y = (value - value.mean(0) for value in (x, y))
    gram_x, gram_y = x @ x.T, y @ y.T  # n x n: there are more features than samples
    scale = gram_x.norm() * gram_y.norm()
    return float((gram_x * gram_y).sum() / scale) if scale > 0 else 0.0


def _as_double(name: str, value: Tensor | ArrayLike) -> Tensor:
    """Return a representation in float64, a tensor on the device where it is."""
    array = as_array(name, value, dims=2, empty=True)
    return value.double() if isinstance(value, Tensor) else torch.from_numpy(array.astype(float))


@torch.no_grad()
@memory_errors("looking into a network", "a smaller one")
def layer_outputs(net: nn.Module, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """Record the output of every activation, averaged over time: a firing rate of spikes.

    Args:
        net: a network of `snnlab.nn.vision`, in any mode; its mode of training is restored.
        batches: inputs `(T, B, C, H, W)`.

    Returns:
        Outputs `(n, features)` by name of the activation.
    """
    outputs: dict[str, list[Tensor]] = {}
    monitor = OutputMonitor(net, Activation, function_on_output=lambda out: out.mean(0).flatten(1))
    try:
        with evaluation_mode(net):
            for x in batches:
                forward_sequence(net, x)
                for name in monitor.monitored_layers:
                    outputs.setdefault(name, []).extend(monitor[name])
                monitor.clear_recorded_data()
    finally:
        monitor.remove_hooks()
    return {name: torch.cat(parts) for name, parts in outputs.items()}
