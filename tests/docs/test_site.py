"""The site: `make docs` builds it without a warning, and it is read without a network."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from sphinx.util.inventory import InventoryFile

import snnlab

ROOT = Path(__file__).parents[2]
NAMES = {name for name in snnlab.__all__ if name not in ("course", "plots", "runs")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    (rule,) = (
        line
        for line in (ROOT / "Makefile").read_text("utf-8").splitlines()
        if " -m sphinx " in line
    )
    options = rule.partition(" -m sphinx ")[2].split()[:-2]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "cache"), ".", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert "-W" in options and done.returncode == 0, done.stderr
    return folder


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self, page):
        super().__init__()
        self.targets = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.targets.add(dict(attributes).get("href"))


def test_the_reference_has_every_public_name_in_its_tables(site):
    targets = Links(site / "docs/reference/index.html").targets
    in_tables = {target.rpartition("#snnlab.")[2] for target in targets if "#snnlab." in target}
    assert in_tables == NAMES


def test_the_reference_has_the_modules_that_notebooks_import(site):
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    assert {f"snnlab.{name}" for name in NAMES} <= {
        *inventory["py:class"],
        *inventory["py:exception"],
        *inventory["py:function"],
    }
    assert {"snnlab.viz.plots.handover", "snnlab.delays.analysis"} <= set(inventory["py:module"])
    assert "snnlab.course.check" in inventory["py:function"]


def test_every_page_of_the_repository_is_on_the_site(site):
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/**/*.ipynb")]
    pages += [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    pages = [page.relative_to(ROOT) for page in pages if ".ipynb_checkpoints" not in page.parts]
    assert len(pages) > 20
    assert not [page for page in pages if not (site / page).with_suffix(".html").is_file()]


@pytest.fixture(scope="module", params=["light", "dark"])
def reader(request, site, chromium):
    """A browser without a network: open a page of the site, and list what it asked for."""
    page = chromium.new_page(color_scheme=request.param, reduced_motion="reduce")
    page.asked = []
    page.route(
        lambda url: not url.startswith(("file:", "data:")),
        lambda route: (page.asked.append(route.request.url), route.abort()),
    )
    page.visit = lambda path: page.goto(f"{site.as_uri()}/{path}")
    yield page
    page.close()


CONTRAST = """
selector => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => numbers(color).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (numbers(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll(selector)].map(element => {
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}
"""


def assert_readable(page, selector):
    """WCAG's contrast of normal text, 4.5, between the text and what is behind it."""
    ratios = page.evaluate(CONTRAST, selector)
    assert ratios and min(ratios) >= 4.5, (selector, min(ratios, default=0))


def test_a_lesson_on_the_site(reader):
    reader.visit("notebooks/04_learning_delays.html")
    assert reader.locator("h1").inner_text().startswith("04 · Learning delays")
    sections = reader.locator("h2").all_inner_texts()
    assert [title[:2] for title in sections[:8]] == [f"{number} " for number in range(1, 9)]
    pictures = reader.evaluate(
        "[...document.querySelectorAll('article img')].map(img => [img.alt, img.naturalWidth])"
    )
    cells = nbformat.read(ROOT / "notebooks/04_learning_delays.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert len(pictures) == sum("image/png" in output.get("data", {}) for output in outputs) > 5
    assert all(len(alt) > 20 and width > 100 for alt, width in pictures)
    folded = reader.locator("details.hide summary")
    assert folded.count() > 20 and not reader.locator("details.hide[open]").count()
    assert reader.locator("math").count() > 20
    reader.get_by_role("link", name="2 The slope of a delay").first.click()
    reader.wait_for_function("scrollY > 1000")  # JupyterLab's anchors are the site's, too
    assert_readable(reader, "article p:not(.admonition-title), article li, article .highlight span")
    assert not reader.asked


def test_the_reference_in_a_browser(reader):
    reader.visit("docs/reference/snnlab.html#snnlab.DelayNet")
    reader.wait_for_function("scrollY > 1000")
    text = reader.locator("dl.py:has(> dt[id='snnlab.DelayNet'])").inner_text()
    assert "max_delay" in text and ">>> " in text  # its arguments and its example
    assert_readable(reader, "article dt .descname, article dd > p, article .highlight span")
    assert not reader.asked


def test_search_needs_no_network(reader):
    reader.visit("index.html")  # leads to the first page
    reader.wait_for_url("**/docs/index.html")
    reader.get_by_placeholder("Search").fill("coincidence detectors")
    reader.keyboard.press("Enter")
    results = reader.locator("#search-results li a")
    results.first.wait_for()
    assert any("04_learning_delays" in link.get_attribute("href") for link in results.all())
    assert_readable(reader, "#search-results a, #search-results p")
    assert not reader.asked
