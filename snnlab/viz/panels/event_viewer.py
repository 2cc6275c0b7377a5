"""Viewers of event streams: an image, the events of one time step, and the sum of all events."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from snnlab._utils.arrays import as_array, check_same_length
from snnlab._utils.errors import SnnlabError
from snnlab.data.encoding.odg import edge_integral, odg_events
from snnlab.viz.plots.events import BRIGHTNESS, EDGE_INTEGRAL, EVENTS, signed, small_image
from snnlab.viz.widgets.panel import DrawResult, Panel, Slider, interact

IMAGES = (
    ("the picture", BRIGHTNESS),
    ("events: blue ON, orange OFF", EVENTS),
    ("edge integral", EDGE_INTEGRAL),
)


def show_events(
    fig: Figure, original: ArrayLike, events: ArrayLike, edges: ArrayLike | None = None
) -> dict[str, int]:
    """Draw an image, its events and its edges side by side.

    A later call with the same figure changes the images in place.

    Args:
        fig: an empty figure, or that of the last call.
        original: brightness, (H, W), 0 to 1.
        events: of one time step, (2, H, W), ON and OFF, above 0 for an event.
        edges: an edge integral, (H, W), about -0.5 to 0.5.

    Returns:
        The number of events of each polarity, `"ON"` and `"OFF"`.

    Raises:
        SnnlabError: the events do not have two polarities.
    """
    on_off = np.asarray(events) > 0
    if on_off.ndim != 3 or len(on_off) != 2:
        raise SnnlabError(
            f"events has the shape {on_off.shape}; expected (2, H, W), ON and OFF of one time step."
        )
    images = [np.asarray(original), signed(on_off)]
    if edges is not None:
        images.append(np.asarray(edges))
    if not fig.axes:
        axes = fig.subplots(1, len(images))
        for ax, image, (title, scale) in zip(axes, images, IMAGES, strict=False):
            small_image(ax, image, *scale).set_animated(True)
            ax.set_title(title, fontsize=9)
    for ax, image in zip(fig.axes, images, strict=True):
        ax.images[0].set_data(image)
    return {"ON": int(on_off[0].sum()), "OFF": int(on_off[1].sum())}


def odg_panel(pictures: Tensor, names: ArrayLike, *, live: bool = True) -> Panel:
    """Show the ODG events of pictures, with sliders for the picture, the step and the threshold.

    Args:
        pictures: brightness, 0 to 1, `(n, H, W)`.
        names: what each picture shows, `(n,)`.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    labels = np.asarray(names)
    check_same_length(pictures=np.asarray(pictures), names=labels)

    def draw(fig: Figure, *, which: int, step: int, percent: int) -> DrawResult:
        events = odg_events(pictures[which][None], percent / 100)
        edges = edge_integral(events)[0]
        count = show_events(fig, pictures[which], events[step - 1, 0], edges)
        alt = (
            f"A handwritten {labels[which]}, threshold {percent} %: {count['ON']} ON and "
            f"{count['OFF']} OFF events at t = {step}, events at {events.mean():.1%} of all "
            "places over all steps, and their edge integral."
        )
        on, off = events[:, 0].sum((2, 3)).int().T.tolist()
        return alt, {"t": range(1, 1 + len(on)), "ON events": on, "OFF events": off}

    return interact(
        lambda fig: partial(draw, fig),
        live=live,
        which=Slider(0, 0, len(labels) - 1, 1, "digit", "which of the handwritten digits"),
        step=Slider(1, 1, 8, 1, "t (steps)", "which of the eight shifts"),
        percent=Slider(18, 2, 60, 2, "threshold (%)", "change of brightness that makes an event"),
    )


def film_panel(frames: ArrayLike, events: ArrayLike, frame: int, *, live: bool = True) -> Panel:
    """Show a film and the events that lead to the next frame, with a slider for the frame.

    Args:
        frames: grey levels, 0 to 255, `(n + 1, H, W)`.
        events: above 0 for an event, `(n, 2, H, W)`.
        frame: the frame that is shown at first.
        live: False leaves only the static figure.

    Returns:
        The panel.
    """
    grey, on_off = as_array("frames", frames, dims=3), as_array("events", events, dims=4)
    there = on_off.max(1) > 0

    def draw(fig: Figure, *, frame: int) -> DrawResult:
        count = show_events(fig, grey[frame] / 255, on_off[frame])
        alt = (
            f"Frame {frame} of the film, and its events to the next frame: {count['ON']} ON, "
            f"{count['OFF']} OFF, at {there[frame].mean():.1%} of all places."
        )
        return alt, {"polarity": list(count), "events": list(count.values())}

    slider = Slider(frame, 0, len(on_off) - 1, 1, "frame", "which frame of the film")
    return interact(lambda fig: partial(draw, fig), live=live, frame=slider)
