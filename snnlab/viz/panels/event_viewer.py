"""Viewer of event streams: an image, the events of one time step, and the sum of all events."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from snnlab._utils.errors import SnnlabError
from snnlab.viz.plots.events import EDGES, ON_OFF

# Of each image: color map, lowest and highest value, title
IMAGES = (
    ("Greys_r", 0, 1, "the picture"),
    (ON_OFF, -1, 1, "events: blue ON, orange OFF"),
    (EDGES, -0.5, 0.5, "edge integral"),
)


def show_events(
    fig: Figure, original: ArrayLike, events: ArrayLike, edges: ArrayLike | None = None
) -> dict[str, int]:
    """Draw an image, its events and its edges side by side, for `interact`.

    A later call with the same figure changes the images in place.

    Args:
        fig: an empty figure, or that of the last call.
        original: brightness, (H, W), 0 to 1.
        events: of one time step, (2, H, W), ON and OFF, above 0 for an event.
        edges: an edge integral, (H, W), about -0.5 to 0.5.

    Returns:
        The number of events, `{"ON": ..., "OFF": ...}`.

    Raises:
        SnnlabError: the events do not have two polarities.
    """
    on_off = np.asarray(events) > 0
    if on_off.ndim != 3 or len(on_off) != 2:
        raise SnnlabError(
            f"events has the shape {on_off.shape}; expected (2, H, W), ON and OFF of one time step."
        )
    images = [np.asarray(original), on_off[0].astype(float) - on_off[1]]
    if edges is not None:
        images.append(np.asarray(edges))
    if not fig.axes:
        for number, (cmap, low, high, title) in enumerate(IMAGES[: len(images)]):
            ax = fig.add_subplot(1, len(images), number + 1, xticks=[], yticks=[])
            ax.imshow(images[number], cmap=cmap, vmin=low, vmax=high, animated=True)
            ax.set_title(title, fontsize=9)
    for ax, image in zip(fig.axes, images, strict=True):
        ax.images[0].set_data(image)
    return {"ON": int(on_off[0].sum()), "OFF": int(on_off[1].sum())}
