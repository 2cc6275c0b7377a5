"""The event viewer of notebook 03: a picture, the events of one time step, and the edges that all of them add up to."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.errors import SnnlabError
from snnlab.viz import plots

ON_OFF = ListedColormap([plots.ORANGE, "white", plots.BLUE])  # OFF, nothing, ON
EDGES = 0.5  # what the colours of an edge integral reach to


def show_events(
    fig: Figure, original: ArrayLike, events: ArrayLike, edges: ArrayLike | None = None
) -> dict[str, int]:
    """Put a picture, its events, and its edges side by side; called again with a figure, the pictures change in place.

    Made for `snnlab.viz.widgets.panel.interact`: the artists are drawn over a kept background, so a
    change costs little.

    Args:
        fig: empty, or as this left it.
        original: brightness, (H, W), 0 to 1.
        events: of one time step, (2, H, W), ON and OFF, above 0 where there is one.
        edges: an edge integral, (H, W), about -0.5 to 0.5.

    Returns:
        How many events there are, `{"ON": ..., "OFF": ...}`.

    Raises:
        SnnlabError: the events are not of two polarities.
    """
    on_off = np.asarray(events) > 0
    if on_off.ndim != 3 or len(on_off) != 2:
        raise SnnlabError(
            f"events has the shape {on_off.shape}; expected (2, H, W), ON and OFF of one time step."
        )
    shown = [
        np.asarray(original),
        on_off[0].astype(float) - on_off[1],
        *([] if edges is None else [np.asarray(edges)]),
    ]
    if not fig.axes:
        _prepare(fig, shown)
    for ax, picture in zip(fig.axes, shown, strict=True):
        ax.images[0].set_data(picture)
    return {"ON": int(on_off[0].sum()), "OFF": int(on_off[1].sum())}


def _prepare(fig: Figure, shown: list[np.ndarray]) -> None:
    """Axes, and an image in each that moves over it."""
    colours = (("Greys_r", 0, 1, "the picture"), (ON_OFF, -1, 1, "events: blue ON, orange OFF"))
    for ax, picture, (colour, low, high, title) in zip(
        np.ravel(fig.subplots(1, len(shown))),
        shown,
        (*colours, ("RdBu_r", -EDGES, EDGES, "edge integral")),
        strict=False,
    ):
        ax.imshow(picture, cmap=colour, vmin=low, vmax=high, animated=True)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=9)
