r"""Where the delays of a layer sit: on its synapses, axons or dendrites, or on both of the latter.

| kind | delay of a synapse | shape of `delay` |
|---|---|---|
| synaptic | $d_{ijk}$ | $(N_{out}, N_{in}, K)$ |
| axonal | $a_{jk}$, one for each input channel | $(1, N_{in}, K)$ |
| dendritic | $b_{ik}$, one for each neuron | $(N_{out}, 1, K)$ |
| axo-dendritic | $a_{jk} + b_{ik}$ | $(1, N_{in} + N_{out}, K)$, axons first |

Synaptic delays are a convolution with a dense kernel. Delays of channels need none: each input
passes a filter of its own, then comes the product with the weights, and each output passes a filter
of its own:

$$ X_i[t] = \sum_k \sum_m h^b_{ik}[m] \sum_j w_{ijk} \sum_l h^a_{jk}[l]\, S_j[t - m - l]. $$

A filter is the normalised Gaussian of a weight 1, or one tap once the delays are rounded. In an
axo-dendritic layer the delays of axons reach to half of `max_delay`, rounded up, and those of
dendrites to the rest, so that no synapse has a longer delay than `max_delay`. Each of the two
Gaussians has the width sigma, so a synapse has $\sqrt2\,\sigma$. For rounded delays the sum is
exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab.nn import fft_convolution
from snnlab.nn.channel_filter import dense_convolution, filter_channels
from snnlab.nn.delay_net_config import Kind
from snnlab.nn.products import linear
from snnlab.nn.tracing import recorded

if TYPE_CHECKING:
    from snnlab.nn.delay_linear import DelayLinear

# From one step of input, `(B, N)`, what comes out in this step and the next ones, `(L, B, M)`
Stage = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class DelayLayout:
    """Which delays a layer of a kind has, and which synapses share them.

    Attributes:
        kind: see the table of this module.
        n_out: neurons.
        n_in: inputs.
        kernel_count: K, weights of each synapse.
        max_delay: largest delay of a synapse, steps.
    """

    kind: Kind
    n_out: int
    n_in: int
    kernel_count: int
    max_delay: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the delays."""
        n_out, n_in = self.n_out, self.n_in
        first, second = {
            "synaptic": (n_out, n_in),
            "axonal": (1, n_in),
            "dendritic": (n_out, 1),
            "axo-dendritic": (1, n_in + n_out),
        }[self.kind]
        return first, second, self.kernel_count

    @property
    def limits(self) -> list[int]:
        """The largest delay of each of the `parts`."""
        if self.kind == "axo-dendritic":
            return [self.max_delay - self.max_delay // 2, self.max_delay // 2]
        return [self.max_delay]

    def parts(self, delays: Tensor) -> list[Tensor]:
        """Return the summands of a synapse's delay: views that broadcast to `(N_out, N_in, K)`."""
        if self.kind == "axo-dendritic":
            return [delays[:, : self.n_in], delays[:, self.n_in :].transpose(0, 1)]
        return [delays]

    def per_synapse(self, delays: Tensor) -> Tensor:
        """Return the delay of each synapse, `(N_out, N_in, K)`."""
        first, *second = self.parts(delays)
        total = first + second[0] if second else first
        return total.expand(self.n_out, self.n_in, self.kernel_count)

    def shared(self, synapses: Tensor) -> Tensor:
        """Return which delays belong to one of the synapses given, `(N_out, N_in, K)` of bool."""
        axons, dendrites = synapses.any(0, keepdim=True), synapses.any(1, keepdim=True)
        if self.kind == "axo-dendritic":
            return torch.cat([axons, dendrites.transpose(0, 1)], 1)
        return {"synaptic": synapses, "axonal": axons, "dendritic": dendrites}[self.kind]


def currents(layer: "DelayLinear", x: Tensor, steps: int) -> Tensor:
    """Compute the currents `(steps, B, N_out)` of inputs `(T, B, N_in)`."""
    if layer.kind != "synaptic":
        axons, dendrites = _filters(layer)
        if axons is not None:
            x = filter_channels(_repeated(x, layer.kernel_count), axons, steps)
        x = _product(x, layer.existing_weight, layer.kind)
        if dendrites is not None:
            x = filter_channels(x, dendrites, steps)
        return _summed(x, layer.out_features)
    kernel = layer.kernel()
    if layer.max_delay == 0:
        # the same product without the convolution's copies
        return F.pad(x, (0, 0, 0, 0, 0, steps - len(x))) @ kernel[..., 0].T
    spectrally = not recorded() and (  # a file is written with the direct sum
        fft_convolution.prefer_spectral(x, layer.out_features, layer.taps)
        if layer.engine == "auto"
        else layer.engine == "spectral"
    )
    return (fft_convolution.causal_convolution if spectrally else dense_convolution)(
        x, kernel, steps
    )


def stages(layer: "DelayLinear") -> list[Stage]:
    """Return what a layer does in one time step, with what a sequence needs only once."""
    if layer.kind == "synaptic":
        return [partial(torch.matmul, other=layer.kernel().permute(2, 1, 0))]  # (L, N_in, N_out)
    axons, dendrites = _filters(layer)
    result: list[Stage] = []
    if axons is not None:
        result.append(partial(_spread_inputs, taps=axons, kernel_count=layer.kernel_count))
    result.append(partial(_weigh, weight=layer.existing_weight, kind=layer.kind))
    if dendrites is not None:
        result.append(partial(_spread_outputs, taps=dendrites, n_out=layer.out_features))
    return result


def _spread_inputs(x: Tensor, taps: Tensor, kernel_count: int) -> Tensor:
    return _repeated(x, kernel_count) * taps[:, None]


def _weigh(x: Tensor, weight: Tensor, kind: Kind) -> Tensor:
    return _product(x, weight, kind)[None]


def _spread_outputs(x: Tensor, taps: Tensor, n_out: int) -> Tensor:
    return _summed(x * taps[:, None], n_out)


def _filters(layer: "DelayLinear") -> tuple[Tensor | None, Tensor | None]:
    """Compute the filters of axons, `(L, N_in K)`, and of dendrites, `(L, N_out K)`."""
    layout = layer.layout
    filters: list[Tensor | None] = []
    for delay, width, limit in zip(
        *(layout.parts(values) for values in layer.delay_and_width()), layout.limits, strict=True
    ):
        delay, width = (values.reshape(-1, 1, 1) for values in (delay, width))
        filters.append(layer.spread(torch.ones_like(delay), delay, width, limit + 1)[:, 0].T)
    if layer.kind == "axonal":
        filters.append(None)
    if layer.kind == "dendritic":
        filters.insert(0, None)
    axons, dendrites = filters
    return axons, dendrites


def _repeated(x: Tensor, kernel_count: int) -> Tensor:
    """Repeat each channel for its K delays: `(..., N)` to `(..., N K)`."""
    return x[..., None].expand(*x.shape, kernel_count).flatten(-2)


def _product(x: Tensor, weight: Tensor, kind: Kind) -> Tensor:
    """Multiply by `(N_out, N_in, K)`; K stays an axis where axons, or dendrites, differ in it."""
    if kind == "axonal" or weight.shape[-1] == 1:
        return linear(x, weight.flatten(1))
    if kind == "dendritic":
        return linear(x, weight.transpose(1, 2).flatten(0, 1))
    x = x.view(*x.shape[:-1], *weight.shape[1:])
    return torch.einsum("...jk,ijk->...ik", x, weight).flatten(-2)


def _summed(x: Tensor, n_out: int) -> Tensor:
    """Sum over the K delays of each channel: `(..., N_out K)` to `(..., N_out)`."""
    return x if x.shape[-1] == n_out else x.view(*x.shape[:-1], n_out, -1).sum(-1)
