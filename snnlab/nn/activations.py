r"""One activation, several lives: the same layer as part of an ordinary network and as a spiking neuron.

Lin et al. 2022 hand the weights of an ANN to a spiking network of the same shape. What differs
between the two is what stands behind a batch norm, so that is one module with a mode here, and
every mode has the same parameters.

| mode | output for input $x[t]$ | state |
|---|---|---|
| `relu` | $f(x)$, with f ReLU, clipped ReLU or leaky ReLU | |
| `ramp` | $\mathrm{clip}\big(\frac{x - lo}{hi - lo}, 0, 1\big)$, the sharpened ReLU; backward $1[\,\lvert x-\vartheta\rvert < \frac12]$, whatever lo and hi | |
| `liaf` | $f(u[t])$, analogue, of a membrane that fires and is reset as in `lif` | u |
| `lif` | $s[t] = \Theta(u[t] - \vartheta)$, with $u[t] = d\,u[t-1]\,(1 - s[t-1]) + x[t]$; backward as `ramp` | u |
| `quantised` | $\frac1L \lfloor L\,\mathrm{clip}(x / \lambda, 0, 1) + \frac12 \rfloor$ (QCFS, Bu et al. 2022), straight through | |
| `soft` | $s[t] = \Theta(u[t] - 1)$, with $u[t] = u[t-1] - s[t-1] + x[t] / \lambda$ and $u[0^-] = \frac12$ | u |

`lif` and `liaf` are the neuron of the paper: hard reset, $d = 0.25$, $\vartheta = 0.5$. `quantised`
and `soft` are a pair of their own, what one would take today: for constant input, `soft` over T
steps fires at exactly the rate that `quantised` with $L = T$ gives out, so weights move from one to
the other without loss.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from spikingjelly.activation_based import base, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known, whole_number
from snnlab.nn.lif_scan import membrane

Mode = Literal["relu", "ramp", "liaf", "lif", "quantised", "soft"]
Rectifier = Literal["relu", "relu1", "leaky_relu"]
SPIKING = ("lif", "soft")  # modes whose output is 0 or 1
# Modes with a membrane: what they give out depends on the steps before
OVER_TIME = ("liaf", "lif", "soft")

THRESHOLD = 0.5
DECAY = 0.25

_RECTIFIERS = {
    "relu": F.relu,
    "relu1": lambda x: x.clamp(0, 1),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
}
_rectangle = surrogate.Rect(1.0)  # slope 1 where |u - threshold| < 1/2


class Activation(base.MemoryModule):
    r"""What follows a batch norm, in the mode that `set_mode` says; `(T, B, ...)` to the same shape.

    Args:
        rectifier: f of the modes `relu` and `liaf`. "relu1" is the ReLU clipped to 0 .. 1, the range
            of a spike.
        decay: d, the share of the membrane that is left after a step; its logit is the parameter
            `k`.
        learn_decay: whether `k` is trained.
        learn_scale: whether $\lambda$, the parameter `scale`, is trained.

    Attributes:
        learns: whether `k` and `scale` are trained, by name.

    Raises:
        SnnlabError: `rectifier` is unknown, or `decay` not between 0 and 1.
    """

    v: Any  # the membrane; None before the first step

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
                f"decay = {decay!r}: expected the share of the membrane that stays, between 0 and 1."
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
        r"""What an output of 1 stands for: $\lambda$ in the modes `quantised` and `soft`, else 1.

        Behind batch norm it makes no difference. A readout multiplies by it, or training would
        shrink $\lambda$ to get larger outputs, until the activation is nothing but a step.
        """
        return self.scale if self.mode in ("quantised", "soft") else 1.0

    def has_learned(self, name: str) -> bool:
        """Whether the parameter `name`, `k` or `scale`, differs from what it was built with."""
        now = self.get_parameter(name).item()
        return not math.isclose(now, self._built[name], rel_tol=1e-6, abs_tol=1e-9)

    def extra_repr(self) -> str:
        return f"mode={self.mode}"

    def multi_step_forward(self, x: Tensor) -> Tensor:
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
        if self.mode == "soft":
            # Half a threshold: rounds, not floors
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
        return self.multi_step_forward(x[None])[0]


def activations(net: nn.Module) -> Iterator[tuple[str, Activation]]:
    """The activations of a network by name, from the input to the output."""
    return (
        (name, module) for name, module in net.named_modules() if isinstance(module, Activation)
    )


def set_mode(
    net: nn.Module, mode: Mode, *, low: float = 0.0, high: float = 1.0, levels: int = 1
) -> None:
    """Put every activation of a network into one mode.

    Args:
        net: the network.
        mode: see the table above.
        low, high: where the ramp of the mode `ramp` begins and ends.
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
    found = False
    for _, activation in activations(net):
        activation.mode, activation.low, activation.high, activation.levels = (
            mode,
            low,
            high,
            levels,
        )
        found = True
    if not found:
        raise SnnlabError(
            f"{type(net).__name__} has no snnlab.nn.activations.Activation; its mode cannot be set."
        )


def ramp_bounds(share: float) -> tuple[float, float]:
    """Where the sharpened ReLU's ramp begins and ends after a share of the epochs: from the ReLU1 (0) to a step (1).

    Lin et al. 2022, code: in epoch e of 100, from min(e / 200, 0.49) to 1 - e / 200.
    """
    return min(share / 2, THRESHOLD - 0.01), 1 - share / 2


def sharpened_relu(x: Tensor, low: float, high: float) -> Tensor:
    """The ramp from 0 at `low` to 1 at `high`, any shape to the same; backward as that of the mode `ramp`, whatever both are."""
    return _Ramp.apply(x, low, high)


def firing_rate(current: Tensor, *, steps: int, decay: float = DECAY) -> Tensor:
    """The f-I curve: spikes a step of the mode `lif`, for constant input over `steps` steps; any shape to the same."""
    neuron = Activation(decay=decay)
    neuron.mode = "lif"
    with torch.no_grad():
        return neuron(current.expand(steps, *current.shape)).mean(0)


def matched_ramp(*, steps: int, decay: float = DECAY) -> tuple[float, float, float]:
    """The ramp that comes closest to `firing_rate` over inputs from -0.2 to 1.2: low, high, and the RMS error."""
    current = torch.linspace(-0.2, 1.2, 1401, dtype=torch.double)
    rate = firing_rate(current, steps=steps, decay=decay).numpy()
    x = current.numpy()

    def error(ends: tuple[float, float]) -> float:
        low, high = ends
        return float(((((x - low) / max(high - low, 1e-6)).clip(0, 1) - rate) ** 2).mean() ** 0.5)

    from scipy.optimize import minimize  # here: half a second that only a fit need wait for

    found = minimize(error, (THRESHOLD - 0.2, THRESHOLD + 0.1), method="Nelder-Mead")
    return float(found.x[0]), float(found.x[1]), float(found.fun)


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
