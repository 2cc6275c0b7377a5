"""Text that comes from data is displayed as it is, whatever it holds, in pictures, on pages and in
a terminal."""

import io
import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console

from snnlab._utils.escape import html_text, plot_text, printable, terminal_text
from snnlab._utils.html_table import html_table
from snnlab.cli import main
from snnlab.course.exercises.judge import Verdict
from snnlab.data.batches.dense_set import DenseSet
from snnlab.nn.delay_net import DelayNet
from snnlab.runs import tables
from snnlab.runs.progress import progress
from snnlab.runs.result import Result
from snnlab.runs.summaries import summary
from snnlab.viz import plots
from snnlab.viz.figure_export import RenderedFigure, save_svg
from snnlab.viz.monitor import view as monitor_view
from snnlab.viz.monitor.snapshot import MonitorSnapshot
from snnlab.viz.panels.arrivals import ArrivalsPlot
from snnlab.viz.panels.network_view import NetworkView, RecordingViewer

MARKUP = [
    "[/b] [red]x[/red] :bug: \\",
    "<script>&\"'",
    r"$\frac{1}$",
    "$",
    "a_b",
    "_noise_",
    r"\$ $x$",
    "x^{",
    "",
]
UNPRINTABLE = {
    "\x1b[31m": r"\x1b[31m",
    "\ud800": r"\ud800",
    "\x00\r": r"\x00\r",
    "a\tb\nü": "a\tb\nü",
}


@pytest.mark.parametrize(("text", "expected"), UNPRINTABLE.items())
def test_control_characters_and_surrogates_are_written_out(text, expected):
    assert printable(text) == expected
    assert html_text(text) == expected and str(terminal_text(text)) == expected
    assert plot_text(text) == expected.replace("\n", r"\n")
    expected.encode()


def pixels(text, **options):
    fig, ax = plots.figure(5, 1)
    ax.set_title(text, **options)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize("text", [*MARKUP, "$x_1$", r"a $\tau$ b"])
def test_a_title_shows_every_letter(text):
    assert np.array_equal(
        pixels(plot_text(text)), pixels(text if text[:1] != "_" else f" {text}", parse_math=False)
    )


def test_mathtext_of_our_own_stays_beside_a_name():
    shown = pixels(rf"$\tau$ of {plot_text('a$b')}")
    assert np.array_equal(shown, pixels(r"$\tau$ of a\$b")) and not np.array_equal(
        shown, pixels("$\\tau$ of a$b")
    )


def test_names_of_variants_and_classes_are_in_the_picture():
    fig, axes = plots.figure(8, 4, 1, 2)
    values = {name: [0.5, 0.25] for name in MARKUP if name}
    plots.bars_with_seeds(axes[0], values)
    plots.learning_curves(axes[1], values)
    FigureCanvasAgg(fig).draw()
    shown = [plot_text(name) for name in values]
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == shown
    assert [text.get_text() for text in axes[0].get_xticklabels()] == shown


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DelayNet(4, [3], 2, delay_mode="learned", max_delay=4, tau=2.0)


def test_the_word_of_a_recording_is_in_the_panel_and_the_monitor(network):
    x = torch.ones(6, 2, 4)
    word = r"$\frac{1}$<b>"
    fig, axes = plots.figure(8, 4, 2, 1)
    heard = RecordingViewer(NetworkView(network, 10.0), DenseSet(x, torch.arange(2)), [word] * 2)
    ArrivalsPlot(heard).prepare(*axes).update(0, 0, 0, 100)
    FigureCanvasAgg(fig).draw()
    assert axes[0].get_title("left").startswith(f'"{plot_text(word)}" at')
    seen = MonitorSnapshot(
        history=[], stages=(), total_epochs=1, dt=10.0, unit="ms", n_classes=2, sample=word,
        spiking=True, over_time=True, rasters={"input": np.ones((6, 4))}, rates={},
        rate_unit="spikes a neuron and step", delays={}, max_delay=40.0, sigma=0.0,
    )  # fmt: skip
    fig, _ = plots.figure(8, 6)
    fig.clear()
    view = monitor_view.MonitorView(fig, seen)
    view.draw(seen, {})
    FigureCanvasAgg(fig).draw()
    assert f"input: {plot_text(word)}" in [ax.get_title() for ax in fig.axes]


class Read(HTMLParser):
    """The tags of a page, its text, and the values of the attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.values = set(), "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data):
        self.text += data


NASTY = "".join([*MARKUP, *UNPRINTABLE])


def test_a_page_shows_every_letter(tmp_path):
    bundle = RenderedFigure(b"", NASTY, {NASTY: [NASTY]})._repr_mimebundle_()
    read = Read(bundle["text/html"])
    shown = printable(NASTY)
    assert shown in read.values and read.text.count(shown) == 3 and "script" not in read.tags
    assert bundle["text/plain"] == shown
    assert shown in Read(Verdict(True, NASTY)._repr_html_()).text
    assert shown in Read(html_table(["a"], [[NASTY]], NASTY)).text
    fig, _ = plots.figure(1, 1)
    save_svg(fig, tmp_path / "a.svg", title=NASTY, description=NASTY)
    assert (
        "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext()).count(
            shown.split("\t")[0]
        )
        >= 2
    )


def printed(*things, width=400):
    stream = io.StringIO()
    Console(file=stream, width=width, emoji=True).print(*things)
    return " ".join(stream.getvalue().split())  # titles are broken into lines


RESULT = {
    "schema": 1, "notebook": "04_learning_delays", "profile": "tiny", "config": {}, "versions": {},
    "platform": {},
    "data": dict.fromkeys(("name", "note", "path", "sha256"), ""), "more": {},
    "started": "", "finished": "",
}  # fmt: skip
TERMINAL = "[/b] [red]x[/red] :bug: \x1b[31m \ud800 \\"


def test_a_table_in_a_terminal_shows_every_letter():
    shown = printable(TERMINAL)
    entry = {"variant": TERMINAL, "seed": 0, "test_accuracy": 0.5, f"{TERMINAL}accuracy": 0.5}
    data = {"name": TERMINAL, "note": TERMINAL}
    result = Result(1, TERMINAL, TERMINAL, {}, {}, {}, data, [entry], {"controls": [entry]}, "", "")
    assert printed(tables.result_table(result)).count(shown) == 6
    common = {"notebook": TERMINAL, "profile": TERMINAL, "data": TERMINAL, "notebook_sha256": "ab"}
    row = {**common, "arm": TERMINAL, "seed": 0, "finished": "", "path": "", "test_accuracy": 0.5}
    rows = pd.DataFrame(
        [{**row, f"config.{TERMINAL}": one, "path": one} for one in (TERMINAL, "other")]
    )
    # Title, column, cells
    assert printed(*tables.summary_tables(summary(rows))).count(shown) == 3 + 1 + 1 + 2
    names = (
        "paper",
        "table",
        "row",
        "protocol",
        "published",
        "source",
        "measured",
        "seeds",
        "status",
        "why",
    )
    assert (
        printed(*tables.target_tables(pd.DataFrame([dict.fromkeys(names, TERMINAL)]))).count(shown)
        >= 9
    )


def test_the_progress_of_a_notebook_shows_its_headings():
    for terminal in (False, True):
        stream = io.StringIO()
        with progress(Console(file=stream, width=200, force_terminal=terminal)) as bar:
            bar("[/b]")(1, 2, TERMINAL, "[/i]")
        assert "[/b]" in stream.getvalue() and printable(TERMINAL) in stream.getvalue()


def test_the_command_line_writes_what_a_terminal_cannot(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    content = RESULT | {"results": [{"variant": TERMINAL, "seed": 0, "test_accuracy": 0.5}]}
    for name in ("good", "[b]\udcff\x1b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(content) if name == "good" else "{")
    done = CliRunner(charset="ascii").invoke(
        main.app, ["collect", str(tmp_path), "--out", str(tmp_path / "table.csv")]
    )
    assert done.exit_code == 1 and printable(TERMINAL) in done.stdout and r"\xb1" in done.stdout
    assert done.stderr.startswith(
        rf"snnlab: {tmp_path}/[b]\udcff\x1b/result.json: no readable JSON"
    )
    assert r"\ud800" in (tmp_path / "table.csv").read_text()
