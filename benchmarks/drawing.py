"""Time a frame of a live panel, from slider to PNG, beside a new figure and `savefig`.

    OMP_NUM_THREADS=1 python benchmarks/drawing.py [--json FILE]

CPU time of one thread, median (lowest to highest). Nothing is sent to a browser. The raster has
1,024 neurons and 250 steps, one in twenty with a spike; the histogram has a million delays.
"""

import io
import time
from collections.abc import Callable

import click
import numpy as np
from matplotlib.figure import Figure
from report import json_option, write

from snnlab.delays.statistics import delay_shares
from snnlab.viz import plots
from snnlab.viz.widgets import artists
from snnlab.viz.widgets.panel import DrawFunction, Slider, interact

STEPS, NEURONS, SYNAPSES, MAX_DELAY_MS, DT_MS, VARIANTS, REPEATS = (
    250,
    1024,
    1_000_000,
    240.0,
    10.0,
    8,
    100,
)

rng = np.random.default_rng(0)
SPIKES = rng.random((VARIANTS, STEPS, NEURONS)) < 0.05
DELAYS = rng.uniform(0, MAX_DELAY_MS, (VARIANTS, SYNAPSES)).astype(np.float32)
INITIAL = delay_shares(DELAYS[0], MAX_DELAY_MS, DT_MS)


def raster(fig: Figure) -> DrawFunction:
    ax = plots.tidy(fig.subplots())
    artist = artists.Raster(ax, steps=STEPS, neurons=NEURONS, dt_ms=1.0)

    def draw(number: int) -> str:
        artist.set_data(SPIKES[number])
        return f"Raster {number}: {SPIKES[number].sum()} spikes."

    return draw


def histogram(fig: Figure) -> DrawFunction:
    ax = plots.tidy(fig.subplots())
    artist = artists.DelayHistogram(ax, max_delay=MAX_DELAY_MS, dt=DT_MS)

    def draw(number: int) -> str:
        shares = delay_shares(DELAYS[number], MAX_DELAY_MS, DT_MS)
        artist.set_data(shares, INITIAL)
        return f"Histogram {number}: {shares[0]:.1%} at 0 ms."

    return draw


def new_raster(number: int) -> None:
    fig, ax = plots.figure()
    ax.eventplot([np.flatnonzero(train) for train in SPIKES[number].T], color="black")
    fig.savefig(io.BytesIO(), format="png")


def new_marks(number: int) -> None:
    fig, ax = plots.figure()
    plots.raster(ax, *SPIKES[number].nonzero())
    fig.savefig(io.BytesIO(), format="png")


def new_histogram(number: int) -> None:
    fig, ax = plots.figure()
    ax.hist(DELAYS[number], bins=np.arange(26) * DT_MS - DT_MS / 2)
    fig.savefig(io.BytesIO(), format="png")


def milliseconds(draw: Callable[[int], None], repeats: int) -> np.ndarray:
    times = []
    for k in range(repeats + 2):  # the first ones compile, and fill caches
        start = time.process_time()
        draw(1 + k % (VARIANTS - 1))
        times.append(1000 * (time.process_time() - start))
    return np.array(times[2:])


@click.command()
@json_option
def main(out: str | None) -> None:
    figures = {}
    print(f"{'':36s}{'new figure (ms)':>28s}{'panel (ms)':>24s}{'ratio':>8s}")
    for key, name, prepare, naive in (
        ("eventplot", f"raster, {NEURONS} x {STEPS}, eventplot", raster, new_raster),
        ("marks", f"raster, {NEURONS} x {STEPS}, marks", raster, new_marks),
        ("histogram", f"histogram, {SYNAPSES:,} synapses", histogram, new_histogram),
    ):
        slider = interact(
            prepare, number=Slider(0, 0, VARIANTS - 1, 1, "number", "which of them")
        ).controls["number"]
        theirs, ours = (
            milliseconds(naive, 5),
            milliseconds(lambda k, s=slider: setattr(s, "value", k), REPEATS),
        )
        cells = [f"{np.median(t):.1f} ({t.min():.1f} to {t.max():.1f})" for t in (theirs, ours)]
        new, live = float(np.median(theirs)), float(np.median(ours))
        figures[key] = {"new_ms": new, "panel_ms": live, "ratio": new / live}
        print(f"{name:36s}{cells[0]:>28s}{cells[1]:>24s}{new / live:8.1f}")
    write(out, figures)


if __name__ == "__main__":
    main()
