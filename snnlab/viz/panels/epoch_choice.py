"""Panel of what choosing the best epoch does to an accuracy that no longer changes."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.arrays import as_array
from snnlab.viz import plots
from snnlab.viz.widgets.panel import DrawFunction, DrawResult, Panel, Slider, interact

BIN, RANGE = 0.1, (-3, 6)  # points above the true accuracy; more where a training needs it
MAX_TENTHS = 15
QUANTILES = (0.05, 0.5, 0.95)


def epoch_choice_panel(wobble: ArrayLike, *, live: bool = True) -> Panel:
    """Show the last epoch and the best one of many trainings, with a slider for the epochs.

    Args:
        wobble: standard normal numbers, (trainings, epochs): the deviation of each accuracy from
            the true one, before the slider scales it.
        live: as for `interact`.

    Returns:
        The panel.
    """
    noise = as_array("wobble", wobble, dims=2)
    trainings, longest = noise.shape
    widest = MAX_TENTHS / 10 * noise
    low, high = min(RANGE[0], np.floor(widest.min())), max(RANGE[1], np.ceil(widest.max()))
    bins = np.linspace(low, high, round((high - low) / BIN) + 1)

    def prepare(fig: Figure) -> DrawFunction:
        ax = plots.tidy(fig.subplots())
        bars = [
            ax.stairs(
                np.zeros(len(bins) - 1), bins, fill=True, color=color, alpha=alpha, label=name,
                animated=True,
            )
            for name, color, alpha in (
                ("last epoch", plots.BLACK, 0.5),
                ("best of all", plots.ORANGE, 0.8),
            )
        ]  # fmt: skip
        ax.axvline(0, color=plots.BLUE, linestyle="--", label="the truth")
        ax.set(xlabel="points above the true accuracy", ylabel="share of the trainings (%)")
        ax.set_xlim(low, high)
        plots.legend(ax, loc="upper right")

        def draw(epochs: int, tenths: int) -> DrawResult:
            points = tenths / 10
            last, best = points * noise[:, epochs - 1], points * noise[:, :epochs].max(1)
            shares = [100 * np.histogram(off, bins)[0] / trainings for off in (last, best)]
            for bar, share in zip(bars, shares, strict=True):
                bar.set_data(share)
            ax.set_ylim(0, 10 * np.ceil(np.max(shares) / 10))
            alt = (
                f"{trainings} trainings of a network that no longer improves, with a wobble of "
                f"{points:.1f} points: the last epoch is off by {last.mean():+z.2f} points on "
                f"average, the best of {epochs} by {best.mean():+z.2f}."
            )
            return alt, {
                "share below (%)": [100 * q for q in QUANTILES],
                "last epoch (points)": np.quantile(last, QUANTILES).round(2),
                "best of all (points)": np.quantile(best, QUANTILES).round(2),
            }

        return draw

    tip = "standard deviation from epoch to epoch, in tenths of a point"
    return interact(
        prepare,
        live=live,
        epochs=Slider(50, 1, longest, 1, "epochs", "how many epochs one may choose from"),
        tenths=Slider(5, 1, MAX_TENTHS, 1, "wobble (0.1 points)", tip),
    )
