"""Export of figures: an image with alt text for a notebook, PNG and SVG files.

A notebook keeps alt text only inside `text/html`: JupyterLab and nbconvert drop the metadata of a
bare PNG.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import html_text, printable
from snnlab._utils.files import whole_file
from snnlab._utils.html_table import html_table


class HasFigureDir(Protocol):
    """The part of a run that `show` uses."""

    @property
    def figure_dir(self) -> Path:
        """The folder of the run's figures."""


# The columns of a table: heading -> values, all of one length
TableColumns = Mapping[str, Sequence[Any] | NDArray[Any]]


@dataclass(frozen=True)
class RenderedFigure:
    """A figure as a PNG, with the text that replaces it and the numbers that it shows.

    Attributes:
        png: the image file.
        alt: one sentence with numbers, for readers who cannot see the image.
        numbers: the columns of a table, or None.
    """

    png: bytes = field(repr=False)
    alt: str
    numbers: TableColumns | None = None

    def to_html(self) -> str:
        """Return a `<figure>` element with the image and its caption."""
        text = html_text(self.alt)
        return (
            f'<figure style="margin: 0"><img alt="{text}" src="data:image/png;base64,'
            f'{self._base64}" style="max-width: 100%"><figcaption aria-hidden="true" '
            f'style="font-size: 85%; opacity: 0.8">{text}</figcaption></figure>'
        )

    @property
    def _base64(self) -> str:
        return base64.b64encode(self.png).decode("ascii")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        page = self.to_html()
        if self.numbers is not None:
            page += f"<details><summary>Numbers</summary>{table_html(self.numbers)}</details>"
        return {"text/html": page, "image/png": self._base64, "text/plain": printable(self.alt)}


def table_html(columns: TableColumns) -> str:
    """Return `columns` as an HTML table whose first column names the rows.

    Raises:
        SnnlabError: the columns differ in length.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise SnnlabError(f"A table of numbers has columns of different lengths: {lengths}.")
    return html_table(columns, zip(*columns.values(), strict=True))


def render_figure(
    canvas: FigureCanvasAgg, alt: str, numbers: TableColumns | None = None
) -> RenderedFigure:
    """Encode what `canvas` shows as a PNG of at most 128 colors, as a notebook stores it twice.

    Args:
        canvas: a canvas whose figure is drawn.
        alt: the alt text.
        numbers: the columns of the table behind the figure.

    Returns:
        The image with its texts.

    Raises:
        SnnlabError: `alt` is empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise SnnlabError(
            "A figure has no alt text; describe in one sentence, with numbers, what it shows."
        )
    rgb = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    palette = rgb.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    palette.save(buffer, "png", compress_level=3)
    return RenderedFigure(buffer.getvalue(), alt, numbers)


def show(fig: Figure, name: str, alt: str, run: HasFigureDir | None = None) -> None:
    """Display `fig` with its alt text, and save it in the folder of a run.

    The files have the same bytes each time the same figure is drawn.

    Args:
        fig: the figure.
        name: of the files `<name>.png` and `<name>.svg`.
        alt: the alt text.
        run: where to save the files; None saves none.

    Raises:
        SnnlabError: `alt` is empty, or the files cannot be written.
    """
    from IPython.display import display  # only a notebook needs it

    display(draw_figure(fig, alt) if run is None else save(fig, run.figure_dir / name, alt))


def save(fig: Figure, stem: Path, alt: str) -> RenderedFigure:
    """Write `<stem>.png` and `<stem>.svg`, and return the image.

    Args:
        fig: the figure.
        stem: path of the files, without a suffix.
        alt: the alt text.

    Raises:
        SnnlabError: `alt` is empty, or the files cannot be written.
    """
    image = draw_figure(fig, alt)
    with whole_file(stem.with_name(f"{stem.name}.png")) as path:
        path.write_bytes(image.png)
    save_svg(fig, stem.with_name(f"{stem.name}.svg"), title=stem.name, description=alt)
    return image


def draw_figure(fig: Figure, alt: str) -> RenderedFigure:
    """Draw a figure.

    Args:
        fig: the figure.
        alt: the alt text.

    Returns:
        The image with its text.

    Raises:
        SnnlabError: `alt` is empty.
    """
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return render_figure(canvas, alt)


def save_svg(fig: Figure, path: Path, *, title: str, description: str) -> None:
    """Write an SVG file without a date or random ids.

    Args:
        fig: the figure, as it was last drawn: its layout is not computed again.
        path: the file.
        title: for the metadata of the file.
        description: for the metadata of the file.

    Raises:
        SnnlabError: the file cannot be written.
    """
    metadata = {"Date": None, "Title": printable(title), "Description": printable(description)}
    layout = fig.get_layout_engine()
    fig.set_layout_engine("none")
    try:
        with matplotlib.rc_context({"svg.hashsalt": "snnlab"}), whole_file(path) as temporary:
            fig.savefig(temporary, format="svg", metadata=metadata)
    finally:
        if layout is not None:
            fig.set_layout_engine(layout)
