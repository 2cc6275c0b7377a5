"""Panel of a neuron with a ramp instead of its spike, whose ramp becomes a step."""

from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from snnlab._utils.words import counted
from snnlab.nn.activations import RampNeuron
from snnlab.nn.neurons import LIF, LeakyIntegrator
from snnlab.viz import plots
from snnlab.viz.plots.style import ABOVE, LIMIT
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact


def prepare_ramp(currents: Tensor, tau: float, fig: Figure) -> DrawFunction:
    """Make the axes of the ramp of one neuron, and of its outputs beside the spikes of a `LIF`.

    Args:
        currents: input over time, `(T, 1, 1)`.
        tau: membrane time constant in steps.
        fig: an empty figure.

    Returns:
        A function that draws the ramp; it takes how far it is sharpened, %, and a time step.
    """
    fires = LIF(tau)(currents).flatten().numpy()
    membrane = LeakyIntegrator(tau)(currents).flatten().numpy()
    grid = torch.linspace(0, 2, 401)
    left, right = (plots.tidy(ax) for ax in fig.subplots(1, 2, width_ratios=[1, 2]))
    left.axvline(1, **LIMIT)
    left.text(1.03, 0.02, "threshold", color=plots.RED, fontsize=8)
    left.set(xlabel="membrane H (thresholds)", ylabel="output", xlim=(0, 2), ylim=(-0.05, 1.15))
    (curve,) = left.plot([], [], color=plots.BLUE, linewidth=2, animated=True)
    (point,) = left.plot([], [], "o", color=plots.BLACK, markersize=8, animated=True)
    right.bar(range(len(fires)), 0, 0.8, animated=True)
    fired = fires.nonzero()[0]
    right.plot(fired, np.full(fired.shape, 1.08), "v", color=plots.RED, label="a LIF fires")
    right.set(xlabel="time step", ylabel="output", ylim=(-0.05, 1.3))
    plots.legend(right, **ABOVE)

    def draw(sharpened: int, step: int) -> DrawResult:
        ramp = RampNeuron(tau)
        width = ramp.sharpen(sharpened / 100)
        outputs = ramp(currents).flatten().numpy()
        ramp.reset()
        curve.set_data(grid, ramp(grid[None, :, None]).flatten())
        point.set_data([membrane[step]], [outputs[step]])
        artists.set_bars(right, outputs.tolist(), marked=step)
        between = int(((outputs > 0) & (outputs < 1)).sum())
        alt = (
            f"Ramp of width {width:.2f} around the threshold, and the outputs of such a neuron "
            f"over {len(outputs)} steps: {between} lie{'s' * (between == 1)} between 0 and 1. In "
            f"step {step} the membrane is at {membrane[step]:z.2f} and the output "
            f"{outputs[step]:.2f}. A LIF neuron fires {counted(int(fires.sum()), 'time')} for this "
            "input."
        )
        columns = {
            "step": range(len(outputs)),
            "membrane": membrane,
            "output": outputs,
            "LIF fires": fires,
        }
        return alt, columns

    return draw


def ramp_panel(currents: Tensor, tau: float, *, live: bool = True) -> Panel:
    """Show a ramp neuron for some input, with controls for its ramp and the marked step.

    Args:
        currents: the input, `(T, 1, 1)`.
        tau: membrane time constant in steps.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    last = len(currents) - 1
    return interact(
        partial(prepare_ramp, currents, tau),
        live=live,
        sharpened=Slider(
            0, 0, 100, 10, "sharpened (%)", "how far the ramp is on its way to a step"
        ),
        step=Slider(min(6, last), 0, last, 1, "step", "the time step that is marked"),
    )
