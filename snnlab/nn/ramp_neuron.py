"""The neurons of a network with delays before they fire: a ramp that can be sharpened into a spike."""

from torch import Tensor

from snnlab.nn.activations import THRESHOLD, ramp_bounds, sharpened_relu
from snnlab.nn.neurons import LeakyIntegrator

V_THRESHOLD = 1.0  # of `LIF`


class RampNeuron(LeakyIntegrator):
    r"""`LIF` with a ReLU in the place of its spike: `(T, B, N)` currents to `(T, B, N)` outputs from 0 to 1.

    The membrane leaks as that of `LIF` does, but is never reset: $H[t] = (1 - 1/\tau)\,H[t-1] +
    X[t]$. The output is a ramp around the threshold, $\mathrm{clip}\left(\frac{H[t] - \vartheta}{w}
    + \frac12,\, 0,\, 1\right)$ with $\vartheta = 1$. Its width $w$ is 1 at first; `sharpen` narrows
    it as Lin et al. 2022 sharpen the ReLU of a network without time (`activations.sharpened`). The
    gradient is 1 within half a threshold of it, whatever the width.

    With $\tau$ near 1, where the membrane forgets everything from step to step, a ramp of width 0
    *is* `LIF`. With a longer one, the reset remains as a difference.

    Args:
        tau: membrane time constant in steps, above 1.

    Raises:
        SnnlabError: `tau` is not above 1.
    """

    def __init__(self, tau: float) -> None:
        super().__init__(tau)
        self.sharpen(0.0)

    def sharpen(self, share: float) -> float:
        """Narrow the ramp: from a width of 1 (share 0) nearly to a step (1). Returns its width in units of the threshold."""
        self._low, self._high = ramp_bounds(share)
        return self._high - self._low

    def single_step_forward(self, x: Tensor) -> Tensor:
        return self._ramp(super().single_step_forward(x))

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        return self._ramp(super().multi_step_forward(x_seq))

    def _ramp(self, h: Tensor) -> Tensor:
        return sharpened_relu(h - (V_THRESHOLD - THRESHOLD), self._low, self._high)
