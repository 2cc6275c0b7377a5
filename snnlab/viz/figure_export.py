"""How a figure leaves the program: as a picture in a notebook that can be read aloud, and as files.

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
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import html_text, printable
from snnlab._utils.files import whole_file


class HasFigureDir(Protocol):
    """What `show` needs to know of a run."""

    @property
    def figure_dir(self) -> Path: ...


# The columns of a table: heading -> values, all of one length
TableColumns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class RenderedFigure:
    """A finished picture, the sentence that replaces it for those who cannot see it, and the numbers behind it."""

    png: bytes = field(repr=False)
    alt: str
    numbers: TableColumns | None = None

    def to_html(self) -> str:
        """`<figure>` with the picture inside it; JupyterLab and nbconvert keep the alt text of nothing else."""
        text = html_text(self.alt)
        data = base64.b64encode(self.png).decode("ascii")
        return (
            f'<figure style="margin: 0"><img alt="{text}" src="data:image/png;base64,{data}" style="max-width: 100%">'
            f'<figcaption aria-hidden="true" style="font-size: 85%; opacity: 0.8">{text}</figcaption></figure>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        png = base64.b64encode(self.png).decode("ascii")
        page = self.to_html()
        if self.numbers is not None:
            page += f"<details><summary>Numbers</summary>{table_html(self.numbers)}</details>"
        return {"text/html": page, "image/png": png, "text/plain": printable(self.alt)}


def table_html(numbers: TableColumns) -> str:
    """`numbers` as an HTML table whose first column names the rows, as a screen reader wants it.

    Raises:
        SnnlabError: the columns are not equally long.
    """
    lengths = {name: len(values) for name, values in numbers.items()}
    if len(set(lengths.values())) > 1:
        raise SnnlabError(f"A table of numbers has columns of different lengths: {lengths}.")

    def cell(value: Any) -> str:
        return html_text(f"{value:.4g}" if isinstance(value, (float, np.floating)) else value)

    head = "".join(f'<th scope="col">{html_text(name)}</th>' for name in numbers)
    rows = [
        f'<tr><th scope="row">{cell(first)}</th>{"".join(f"<td>{cell(value)}</td>" for value in rest)}</tr>'
        for first, *rest in zip(*numbers.values(), strict=True)
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def render_figure(
    canvas: FigureCanvasAgg,
    alt: str,
    numbers: TableColumns | None = None,
    *,
    compress_level: int = 3,
) -> RenderedFigure:
    """The picture that `canvas` holds now, as a PNG of at most 128 colours: a notebook carries every picture twice.

    `compress_level` 1 takes half the time and a tenth more bytes: for pictures that are soon
    replaced.

    Raises:
        SnnlabError: `alt` is empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise SnnlabError(
            "A picture came without alt text; say in one sentence, with numbers, what it shows."
        )
    rgb = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = rgb.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "png", compress_level=compress_level)
    return RenderedFigure(buffer.getvalue(), alt, numbers)


def show(fig: Figure, name: str, alt: str, run: HasFigureDir | None = None) -> None:
    """Display `fig` once, with its alt text; with a run, also save `<name>.png` and `<name>.svg` below its figures.

    The files are the same bytes every time the same picture is drawn.

    Raises:
        SnnlabError: `alt` is empty, or the files cannot be written.
    """
    from IPython.display import display  # only a notebook needs it

    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    picture = render_figure(canvas, alt)
    if run is not None:
        with whole_file(Path(run.figure_dir) / f"{name}.png") as path:
            path.write_bytes(picture.png)
        save_svg(fig, Path(run.figure_dir) / f"{name}.svg", title=name, description=alt)
    display(picture)


def save_svg(fig: Figure, path: Path, *, title: str, description: str) -> None:
    """Write an SVG without a date or random ids."""
    metadata = {"Date": None, "Title": printable(title), "Description": printable(description)}
    with matplotlib.rc_context({"svg.hashsalt": "snnlab"}), whole_file(path) as temporary:
        fig.savefig(temporary, format="svg", metadata=metadata)
