"""The figures of speed in the pages are those of docs/benchmarks.json (`make bench`)."""

import dataclasses
import importlib.util
import json
import re
import string
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click import ClickException
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
FIGURE = re.compile(
    r"\d[\d.,]* ?(?:s|ms|min|minutes|seconds|[GM]i?B|%|times|recordings/s|/s)(?![\w*])"
    r"|\| *\d[\d.,]* *(?=\|)"  # a cell of a table
)
# What is measured, and not what came of it: lengths of a word, of steps, recordings and delays
SETTINGS = ("0.74 s", "1 ms", "1 s", "64 ms", "256 ms", "1,000 ms", "1,024 ms")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@pytest.fixture
def load(monkeypatch, own_threads):
    """A function that loads a script; what it sets in this process is undone."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")

    def script(name):
        path = ROOT / f"benchmarks/{name}.py"
        spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        if hasattr(module, "keep_freed_memory"):
            monkeypatch.setattr(module, "keep_freed_memory", lambda: None)
        return module

    yield script
    sys.modules.pop("report", None)


def typed(text):
    """The figures that a text has itself, outside its fields."""
    figures = FIGURE.findall(re.sub(r"\{.*?\}", "", COMMENT.sub("", text)))
    return [figure for figure in figures if figure not in SETTINGS]


def speed(page):
    return page[page.index("## Speed\n") : page.index("\n## ", page.index("## Speed\n") + 1)]


def test_the_section_speed_is_what_the_stored_figures_give(load):
    report = load("report")
    page = report.PAGE.read_text("utf-8")
    text = report.TEXT.read_text("utf-8")
    assert speed(page) == report.section(text, report.stored())
    assert report.page_with(page, speed(page)) == page
    with pytest.raises(KeyError, match=r"benchmarks\.json has no neurons\.middle"):
        report.section("{neurons.middle.ratio}", report.stored())


def test_the_text_of_the_section_speed_has_no_figure_of_its_own(load):
    text = load("report").TEXT.read_text("utf-8")
    assert not typed(text)


@pytest.mark.parametrize(
    "text",
    ["takes 21 s.", "4.8 % of it", "0.55 GiB", "22 times", "`spikes` 1,283/s", "| a | 21 | b |"],
)
def test_a_figure_that_somebody_types_is_seen(text):
    assert len(typed(text)) == 1
    assert not typed("1,000 steps of 1 ms | {neurons.small.peer_ms:2} s | (112, 256, 256)")


def test_a_text_that_names_a_benchmark_leaves_its_figures_to_the_results():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/README.md"]
    pages += [path for path in ROOT.glob("docs/**/*.md") if path.name != "results.md"]
    for path in [*pages, *ROOT.glob("snnlab/**/*.py")]:
        for paragraph in path.read_text("utf-8").split("\n\n"):
            if "benchmarks/" in paragraph:
                assert not typed(paragraph), path


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(4283.3, "3", "4,280"), (0.0996, "2", "0.10"), (5.04, "2", "5.0"), (434, "", "434")],
)
def test_a_figure_has_significant_digits(load, value, digits, shown):
    assert format(load("report").Figure(value), digits) == shown


def test_all_benchmarks_together_take_at_most_15_minutes(load):
    report = load("report")
    scripts = {path.stem for path in ROOT.glob("benchmarks/*.py")} - {"report", "gpu_check"}
    assert report.BUDGETS.keys() == scripts
    assert sum(report.BUDGETS.values()) <= 15 * 60


def test_only_the_section_that_was_measured_is_replaced(load, tmp_path, monkeypatch):
    report = load("report")
    monkeypatch.setattr(report, "FIGURES", tmp_path / "benchmarks.json")
    report.store("neurons", "python benchmarks/neurons.py", {"ratio": 5})
    report.store("reader", "python benchmarks/reader.py", {"ratio": 7}, 12.3)
    report.store("neurons", "python benchmarks/neurons.py", {"ratio": 6})
    sections = report.stored()
    assert [sections[name]["figures"]["ratio"] for name in ("neurons", "reader")] == [6, 7]
    assert sections["reader"]["seconds"] == 12
    assert report.section("{neurons.ratio} {reader.versions.torch}", sections) == (
        f"6 {torch.__version__}"
    )


class Pool:
    """A pool of processes that computes in this one."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def apply(self, function, arguments):
        return function(*arguments)


def tiny(row):
    return dataclasses.replace(row, batch=3, sizes=(6, 5, 5, 4), taps=5, steps=12)


def rows_of(module):
    rows = {
        name: {key: tiny(row) for key, row in getattr(module, name).items()}
        for name in ("ROWS", "FINE")
    }
    pool = SimpleNamespace(get_context=lambda _: SimpleNamespace(Pool=lambda *_, **__: Pool()))
    return rows | {"multiprocessing": pool}


def rows_of_step_parts(module):
    shd = dataclasses.replace(module.ROWS["shd"], batch=3, taps=5, steps=12)
    return {"ROWS": {"shd": shd}, "SIZE": 64}


TINY = {
    "neurons": ([], lambda _: {"SHAPES": dict.fromkeys(("small", "large"), (4, 3, 2))}),
    "explorer": (["--side", "12", "--repeats", "1"], lambda _: {}),
    "reader": (["20"], lambda _: {"PEER": 2}),
    "engines": ([], lambda _: {"STEPS": (4,), "BATCH": (2,), "NEURONS": ((2, 3),)}),
    "startup": ([], lambda _: {"start_up": lambda name, source: (1.0, 2.0)}),
    "step_parts": (["--repeats", "1", "--threads", "1"], rows_of_step_parts),
    "delay_training": (["--repeats", "1", "--threads", "1", "--device", "cpu"], rows_of),
}


@pytest.mark.parametrize("name", TINY)
def test_a_benchmark_writes_every_figure_that_the_page_shows(load, name, tmp_path, monkeypatch):
    module, report = load(name), load("report")
    arguments, patches = TINY[name]
    for key, value in patches(module).items():
        monkeypatch.setattr(module, key, value)
    out = tmp_path / "figures.json"
    result = CliRunner().invoke(module.main, [*arguments, "--json", str(out)])
    assert result.exit_code == 0, (result.output, result.exception)
    figures = json.loads(out.read_text("utf-8"))
    entry = report.stored()[name] | {"figures": figures}
    fields = string.Formatter().parse(report.TEXT.read_text("utf-8"))
    own = [
        f"{{{field}:{spec}}}"
        for _, field, spec, _ in fields
        if (field or "").startswith(f"{name}.")
    ]
    assert own
    for field in own:
        assert report.section(field, {name: entry})


def test_a_start_ends_with_the_first_step_and_counts_all_processes(load):
    """A process that only imports torch takes less."""
    startup = load("startup")
    seconds, wall = startup.start_up("fit", ROOT)
    imported = startup.start_up("import", ROOT)
    assert 5 * imported[0] < seconds < 60 and imported[1] < wall


def test_a_start_that_fails_shows_what_it_said(load, tmp_path):
    startup = load("startup")
    startup.SCRIPTS["fit"] = "raise SystemExit('no such thing')"
    with pytest.raises(ClickException, match="fit: no first step.\nno such thing"):
        startup.start_up("fit", ROOT)
