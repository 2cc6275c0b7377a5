"""How a figure leaves the program: as a picture in a notebook that can be read aloud, and as files.

A notebook keeps alt text only inside `text/html`: JupyterLab and nbconvert drop the metadata of a bare PNG.
"""

import base64
import html
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from snnlab.errors import SnnlabError
from snnlab.files import whole_file


class HasFigureDir(Protocol):
    """What `show` needs to know of a run."""

    @property
    def figure_dir(self) -> Path: ...


@dataclass(frozen=True)
class Picture:
    """A finished picture and the sentence that replaces it for those who cannot see it."""

    png: bytes = field(repr=False)
    alt: str

    def to_html(self) -> str:
        """`<figure>` with the picture inside it; JupyterLab and nbconvert keep the alt text of nothing else."""
        text = html.escape(self.alt, quote=True)
        data = base64.b64encode(self.png).decode("ascii")
        return (
            f'<figure style="margin: 0"><img alt="{text}" src="data:image/png;base64,{data}" style="max-width: 100%">'
            f'<figcaption aria-hidden="true" style="font-size: 85%; opacity: 0.8">{text}</figcaption></figure>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        png = base64.b64encode(self.png).decode("ascii")
        return {"text/html": self.to_html(), "image/png": png, "text/plain": self.alt}


def picture_of(canvas: FigureCanvasAgg, alt: str, *, compress_level: int = 3) -> Picture:
    """The picture that `canvas` holds now, as a PNG of at most 128 colours: a notebook carries every picture twice.

    `compress_level` 1 takes half the time and a tenth more bytes: for pictures that are soon replaced.

    Raises:
        SnnlabError: `alt` is empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise SnnlabError("A picture came without alt text; say in one sentence, with numbers, what it shows.")
    rgb = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = rgb.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "png", compress_level=compress_level)
    return Picture(buffer.getvalue(), alt)


def show(fig: Figure, name: str, alt: str, run: HasFigureDir | None = None) -> None:
    """Display `fig` once, with its alt text; with a run, also save `<name>.png` and `<name>.svg` below its figures.

    The files are the same bytes every time the same picture is drawn.

    Raises:
        SnnlabError: `alt` is empty, or the files cannot be written.
    """
    from IPython.display import display  # only a notebook needs it

    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    picture = picture_of(canvas, alt)
    if run is not None:
        with whole_file(Path(run.figure_dir) / f"{name}.png") as path:
            path.write_bytes(picture.png)
        save_svg(fig, Path(run.figure_dir) / f"{name}.svg", title=name, description=alt)
    display(picture)


def save_svg(fig: Figure, path: Path, *, title: str, description: str) -> None:
    """Write an SVG without a date or random ids."""
    metadata = {"Date": None, "Title": title, "Description": description}
    with matplotlib.rc_context({"svg.hashsalt": "snnlab"}), whole_file(path) as temporary:
        fig.savefig(temporary, format="svg", metadata=metadata)
