"""An executed notebook as HTML, opened from the disk with the network cut."""

import shutil
from pathlib import Path

import pytest

from snnlab.runs import publish

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("stem", ["01_lif_dynamics", "04_learning_delays", "05_exploring_delays"])
def test_every_picture_of_an_exported_notebook_is_there_and_can_be_read_aloud(
    chromium, tmp_path, stem
):
    html = publish.write_html(Path(shutil.copy(NOTEBOOKS / f"{stem}.ipynb", tmp_path)))
    page, asked = chromium.new_page(), []
    page.route(
        lambda url: not url.startswith("file:"),
        lambda route: (asked.append(route.request.url), route.abort()),
    )
    page.goto(html.as_uri())
    pictures = page.evaluate(
        "[...document.images].map(img => [img.alt, img.complete && img.naturalWidth])"
    )
    page.close()
    assert len(pictures) > 5
    assert all(len(alt) > 20 and width > 100 for alt, width in pictures), pictures
    assert not [url for url in asked if not url.startswith("data:")]
