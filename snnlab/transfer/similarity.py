"""How alike two networks are: their parameters, and what their layers do."""

from collections.abc import Iterable, Mapping

import torch
from spikingjelly.activation_based.monitor import OutputMonitor
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import Activation


def cosines(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, float]:
    """The cosine similarity of two networks' weights, tensor by tensor; biases and batch norm are left aside.

    Between networks that began with different weights it is near 0 whatever they do: neurons can be
    put in any order.

    Args:
        a, b: `state_dict`s of the same architecture.

    Raises:
        SnnlabError: a tensor is missing in one of them or has another shape.
    """
    names = [name for name, value in a.items() if value.dim() > 1]
    for name in names + [name for name, value in b.items() if value.dim() > 1 and name not in a]:
        first, second = (tuple(both[name].shape) if name in both else "nothing" for both in (a, b))
        if first != second:
            raise SnnlabError(
                f"{name}: got {first} in the first network and {second} in the second; expected the same."
            )
    return {
        name: F.cosine_similarity(a[name].flatten(), b[name].flatten(), dim=0).item()
        for name in names
    }


def cka(x: Tensor, y: Tensor) -> float:
    r"""Linear centred kernel alignment (Kornblith et al. 2019) of two representations of the same samples.

    $\lVert Y^\top X \rVert_F^2 / (\lVert X^\top X \rVert_F\, \lVert Y^\top Y \rVert_F)$ of the
    centred matrices: 1 if they are the same up to rotation and scale, whatever the order of the
    neurons.

    Args:
        x, y: `(n, features)`, `(n, other features)`.

    Raises:
        SnnlabError: they have not as many samples, or fewer than two.
    """
    if len(x) != len(y) or len(x) < 2:
        raise SnnlabError(
            f"got {len(x)} and {len(y)} samples; expected the same samples, at least two of them."
        )
    x, y = (value.double() - value.double().mean(0) for value in (x, y))
    gram_x, gram_y = x @ x.T, y @ y.T  # n x n: there are more features than samples
    scale = gram_x.norm() * gram_y.norm()
    return float((gram_x * gram_y).sum() / scale) if scale > 0 else 0.0


@torch.no_grad()
@memory_errors("looking into a network", "a smaller one")
def layer_outputs(net: nn.Module, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """What every activation gives out, averaged over time: a rate where the mode is a spiking one.

    Args:
        net: a network of `snnlab.nn.vision`, in any mode; its mode of training is put back.
        batches: inputs `(T, B, C, H, W)`.

    Returns:
        By name of the activation, `(n, features)`.
    """
    training = net.training
    net.eval()
    found: dict[str, list[Tensor]] = {}
    monitor = OutputMonitor(net, Activation, function_on_output=lambda out: out.mean(0).flatten(1))
    try:
        for x in batches:
            net(x)
            for name in monitor.monitored_layers:
                found.setdefault(name, []).extend(monitor[name])
            monitor.clear_recorded_data()
    finally:
        monitor.remove_hooks()
        net.train(training)
    return {name: torch.cat(parts) for name, parts in found.items()}
