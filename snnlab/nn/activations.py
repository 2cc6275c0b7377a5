r"""One activation layer with six modes from ReLU to spiking neuron, and the ramp neuron.

Lin et al. 2022 copy the weights of an ANN to a spiking network of the same shape. The two differ in
what follows a batch norm, so that layer is one module with a mode. Every mode has the same
parameters.

For input $x[t]$ the modes give

- `relu`: $f(x)$, with f ReLU, clipped ReLU or leaky ReLU;
- `ramp`: $\mathrm{clip}\big(\frac{x - lo}{hi - lo}, 0, 1\big)$, the sharpened ReLU;
- `liaf`: $f(u[t])$ of a membrane u that fires and is reset as in `lif`;
- `lif`: $s[t] = \Theta(u[t] - \vartheta)$, with $u[t] = d\,u[t-1]\,(1 - s[t-1]) + x[t]$;
- `quantised`: $\frac1L \lfloor L\,\mathrm{clip}(x / \lambda, 0, 1) + \frac12 \rfloor$;
- `soft`: $s[t] = \Theta(u[t] - 1)$, with $u[t] = u[t-1] - s[t-1] + x[t] / \lambda$.

The gradient of `ramp` and `lif` is $1[\,\lvert x-\vartheta\rvert < \frac12]$, whatever lo and hi;
that of `quantised` (QCFS, Bu et al. 2022) passes straight through.

`lif` and `liaf` are the neuron of the paper: hard reset, $d = 0.25$, $\vartheta = 0.5$. `quantised`
and `soft` are a newer pair: with $u[0^-] = \frac12$ and constant input, `soft` over T steps fires
at exactly the rate that `quantised` with $L = T$ outputs. A layer whose inputs are spikes has no
constant input, so behind the first layer the two are close, not equal.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import torch
from spikingjelly.activation_based import base, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known, whole_number
from snnlab.nn.lif_scan import check_steps, membrane
from snnlab.nn.neurons import LeakyIntegrator

Mode = Literal["relu", "ramp", "liaf", "lif", "quantised", "soft"]
Rectifier = Literal["relu", "relu1", "leaky_relu"]
SPIKING = ("lif", "soft")  # modes whose output is 0 or 1
# Modes with a membrane: what they give out depends on the steps before
OVER_TIME = ("liaf", "lif", "soft")

THRESHOLD = 0.5
DECAY = 0.25

_RECTIFIERS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu1": lambda x: x.clamp(0, 1),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
}
_rectangle = surrogate.Rect(1.0)  # slope 1 where |u - threshold| < 1/2


class Activation(base.MemoryModule):  # type: ignore[misc]
    r"""The layer behind a batch norm, `(T, B, ...)` to the same shape; `set_mode` sets its mode.

    Args:
        rectifier: f of the modes `relu` and `liaf`. "relu1" is the ReLU clipped to 0 .. 1, the
            range of a spike.
        decay: d, the share of the membrane that is left after a step; its logit is the parameter
            `k`.
        learn_decay: whether `k` is trained.
        learn_scale: whether $\lambda$, the parameter `scale`, is trained.

    Attributes:
        learns: whether `k` and `scale` are trained, by name.

    Raises:
        SnnlabError: `rectifier` is unknown, or `decay` not between 0 and 1.

    Example:
        >>> layer, x = Activation(), torch.tensor([0.3, 0.6]).view(1, 1, 2)
        >>> layer(x).flatten()
        tensor([0.3000, 0.6000])
        >>> set_mode(layer, "lif")
        >>> layer(x).flatten()
        tensor([0., 1.])
    """

    v: Tensor | None  # the membrane; None before the first step

    def __init__(
        self,
        *,
        rectifier: Rectifier = "relu1",
        decay: float = DECAY,
        learn_decay: bool = False,
        learn_scale: bool = False,
    ) -> None:
        super().__init__()
        self.rectifier = known(rectifier, get_args(Rectifier), "rectifier")
        if not 0 < decay < 1:
            raise SnnlabError(
                f"decay = {decay!r}: expected the share of the membrane that stays, from 0 to 1."
            )
        self.mode: Mode = "relu"
        self.low, self.high = 0.0, 1.0
        self.levels = 1
        self.learns = {"k": learn_decay, "scale": learn_scale}
        self._built = {"k": math.log(decay / (1 - decay)), "scale": 1.0}
        self.k = nn.Parameter(torch.tensor(self._built["k"]), requires_grad=learn_decay)
        self.scale = nn.Parameter(torch.tensor(self._built["scale"]), requires_grad=learn_scale)
        self.step_mode = "m"
        self.register_memory("v", None)

    @property
    def amplitude(self) -> Tensor | float:
        r"""The value that an output of 1 stands for: $\lambda$ in `quantised` and `soft`, else 1.

        Before a batch norm it makes no difference. A readout multiplies by it; without this,
        training would shrink $\lambda$ to get larger outputs, until the activation is a step.
        """
        return self.scale if self.mode in ("quantised", "soft") else 1.0

    def has_learned(self, name: str) -> bool:
        """Return whether the parameter `k` or `scale` differs from its first value."""
        now = self.get_parameter(name).item()
        return not math.isclose(now, self._built[name], rel_tol=1e-6, abs_tol=1e-9)

    def extra_repr(self) -> str:
        """Return the mode."""
        return f"mode={self.mode}"

    def multi_step_forward(self, x: Tensor) -> Tensor:
        """Compute the output of all steps."""
        if self.mode == "relu":
            return _RECTIFIERS[self.rectifier](x)
        # Mixed precision: thresholds and levels need all digits
        if x.dtype in (torch.float16, torch.bfloat16):
            x = x.float()
        if self.mode == "ramp":
            return sharpened_relu(x, self.low, self.high)
        if self.mode == "quantised":
            share = (x / self.scale).clamp(0, 1)
            return share + ((share * self.levels + 0.5).floor() / self.levels - share).detach()
        check_steps(x)
        if self.mode == "soft":
            # A membrane that starts at half a threshold rounds the rate instead of flooring it
            v = torch.full_like(x[0], 0.5) if self.v is None else self.v
            spikes, _, self.v = membrane(
                x / self.scale, v, leak=0.0, v_threshold=1.0, slope=_rectangle, soft_reset=True
            )
            return spikes
        v = torch.zeros_like(x[0]) if self.v is None else self.v
        leak = torch.sigmoid(-self.k)
        spikes, charged, self.v = membrane(x, v, leak=leak, v_threshold=THRESHOLD, slope=_rectangle)
        return spikes if self.mode == "lif" else _RECTIFIERS[self.rectifier](charged)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Compute the output of one step."""
        return self.multi_step_forward(x[None])[0]


def activations(net: nn.Module) -> Iterator[tuple[str, Activation]]:
    """Yield the activations of a network and their names, from the input to the output."""
    for name, module in net.named_modules():
        if isinstance(module, Activation):
            yield name, module


def set_mode(
    net: nn.Module, mode: Mode, *, low: float = 0.0, high: float = 1.0, levels: int = 1
) -> None:
    """Set the mode of every activation of a network.

    Args:
        net: the network.
        mode: one of the six that the module's docstring lists.
        low: input at which the ramp of the mode `ramp` begins.
        high: input at which it ends.
        levels: L of the mode `quantised`.

    Raises:
        SnnlabError: the mode is unknown, the ramp does not rise, there is no level, or the network
            has no activation.
    """
    known(mode, get_args(Mode), "mode of an activation")
    if not low < high:
        raise SnnlabError(
            f"low = {low}, high = {high}: a ramp has to rise; expected low below high."
        )
    levels = whole_number("levels", levels, 1)
    layers = [activation for _, activation in activations(net)]
    if not layers:
        raise SnnlabError(
            f"{type(net).__name__} has no snnlab.nn.activations.Activation; its mode cannot be set."
        )
    for layer in layers:
        layer.mode, layer.low, layer.high, layer.levels = mode, low, high, levels


def ramp_bounds(share: float) -> tuple[float, float]:
    """Return where the ramp begins and ends after a share of the epochs: from 0 and 1 to a step.

    Source: the code of Lin et al. 2022: in epoch e of 100, from min(e / 200, 0.49) to 1 - e / 200.
    """
    return min(share / 2, THRESHOLD - 0.01), 1 - share / 2


def sharpened_relu(x: Tensor, low: float, high: float) -> Tensor:
    """Compute the ramp from 0 at `low` to 1 at `high`, with the gradient of the mode `ramp`."""
    ramp: Tensor = _Ramp.apply(x, low, high)  # type: ignore[no-untyped-call]
    return ramp


def firing_rate(current: Tensor, *, steps: int, decay: float = DECAY) -> Tensor:
    """Compute the f-I curve of the mode `lif`: spikes a step for constant input.

    Args:
        current: any shape.
        steps: time steps that are averaged.
        decay: see `Activation`.

    Returns:
        The rates, of the shape of `current`.
    """
    neuron = Activation(decay=decay)
    neuron.mode = "lif"
    with torch.no_grad():
        spikes: Tensor = neuron(current.expand(steps, *current.shape))
        return spikes.mean(0)


def matched_ramp(*, steps: int, decay: float = DECAY) -> tuple[float, float, float]:
    """Fit a ramp to `firing_rate` over inputs from -0.2 to 1.2; return low, high and RMS error."""
    current = torch.linspace(-0.2, 1.2, 1401, dtype=torch.double)
    rate = firing_rate(current, steps=steps, decay=decay).numpy()
    x = current.numpy()

    def error(ends: tuple[float, float]) -> float:
        low, high = ends
        return float(((((x - low) / max(high - low, 1e-6)).clip(0, 1) - rate) ** 2).mean() ** 0.5)

    from scipy.optimize import minimize  # here: the import takes half a second

    fit = minimize(error, (THRESHOLD - 0.2, THRESHOLD + 0.1), method="Nelder-Mead")
    return float(fit.x[0]), float(fit.x[1]), float(fit.fun)


class _Ramp(torch.autograd.Function):
    """The sharpened ReLU: a ramp forward, the surrogate of the spiking neuron backward."""

    @staticmethod
    def forward(ctx, x, low, high):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return ((x - low) / (high - low)).clamp(0, 1)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        return grad * ((x - THRESHOLD).abs() < 0.5), None, None


class RampNeuron(LeakyIntegrator):
    r"""`LIF` with a ramp instead of its spike: currents `(T, B, N)` to outputs from 0 to 1.

    The membrane leaks as that of `LIF` does, but is never reset: $H[t] = (1 - 1/\tau)\,H[t-1] +
    X[t]$. The output is a ramp around the threshold, $\mathrm{clip}\left(\frac{H[t] - \vartheta}{w}
    + \frac12,\, 0,\, 1\right)$ with $\vartheta = 1$. Its width $w$ is 1 at first; `sharpen` narrows
    it as Lin et al. 2022 sharpen their ReLU (`ramp_bounds`). The gradient is 1 within half a
    threshold of it, whatever the width.

    With $\tau$ near 1 the membrane keeps nothing from step to step, and a ramp of width 0 equals
    `LIF`. With a larger $\tau$ the missing reset makes a difference.

    Args:
        tau: membrane time constant in steps, above 1; a sequence has one for each neuron.

    Raises:
        SnnlabError: `tau` is not above 1.
    """

    SHIFT = 1.0 - THRESHOLD  # from the threshold of `Activation` to that of `LIF`

    def __init__(self, tau: Any) -> None:
        super().__init__(tau)
        self.sharpen(0.0)

    def sharpen(self, share: float) -> float:
        """Narrow the ramp from a width of 1 (share 0) nearly to a step (1), and return its width.

        The unit of the width is the threshold.
        """
        self._low, self._high = ramp_bounds(share)
        return self._high - self._low

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output of all steps, or of one in SpikingJelly's `step_mode` "s"."""
        return sharpened_relu(super().forward(x) - self.SHIFT, self._low, self._high)
