"""Tables as HTML: complete, with escaped texts, and course runs apart from the papers."""

from html.parser import HTMLParser

import pytest

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.course import config
from snnlab.runs import tables
from snnlab.runs.papers import targets
from snnlab.runs.result import load_result

DELAYS, TRANSFER = "04_learning_delays", "02_pretrain_and_transfer"


class Read(HTMLParser):
    """The tables of a page, each with caption and rows; elements are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.open = [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "table":
            self.tables.append(["", []])
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            assert tag == "td" or dict(attrs)["scope"] in ("row", "col")
            self.tables[-1][1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open:
            assert not data.strip()
        elif self.open[-1] == "caption":
            self.tables[-1][0] += data
        elif self.open[-1] in ("td", "th"):
            self.tables[-1][1][-1][-1] += data


@pytest.mark.parametrize("paper", targets.PAPERS)
def test_every_row_of_a_paper_is_there_and_none_is_silent(paper, tmp_path):
    table = targets.table(tmp_path, paper)
    read = Read(tables.to_html(tables.target_tables(table))).tables
    assert [(row["row"], row["published"]) for row in table.to_dict("records")] == [
        (cells[0], cells[heads.index("published")]) for _, (heads, *rows) in read for cells in rows
    ]
    for caption, (heads, *rows) in read:
        assert caption
        for cells in rows:
            assert len(cells) == len(heads) and cells[heads.index("status")].startswith("not run: ")
            assert (
                cells[heads.index("published")]
                and cells[heads.index("from")]
                and cells[heads.index("measured")]
            )


def test_a_protocol_that_all_rows_share_stands_above_them(tmp_path):
    read = {
        caption: rows[0]
        for caption, rows in Read(
            tables.to_html(tables.target_tables(targets.table(tmp_path)))
        ).tables
    }
    assert "which epoch" in read["Table 1, SHD"]
    shared = [caption for caption in read if caption.startswith("Fig. 4, SSC (")]
    assert len(shared) == 1 and "which epoch" not in read[shared[0]]


def finish(folder, notebook, entries, profile="course", data="digits <small>"):
    run = runs.start(config.resolve(notebook, profile=profile, out=str(folder)))
    run.save_result(entries, data={"name": data, "note": "made here"})


def entry(variant, seed, accuracy):
    return {"variant": variant, "seed": seed, "test_accuracy": accuracy}


def test_small_runs_by_hand(tmp_path):
    finish(
        tmp_path / "a",
        DELAYS,
        [entry("none", 0, 0.2), entry("none", 1, 0.3), entry("a < b", 0, 0.5)],
    )
    finish(tmp_path / "b", TRANSFER, [entry("scratch", 0, 0.25)])
    read = Read(tables.course_results(tmp_path)).tables
    head = ["", "test accuracy (%)", "seeds"]
    assert read == [
        ["Notebook 02, digits <small>: no number of a paper", [head, ["scratch", "25.0", "1"]]],
        [
            "Notebook 04, digits <small>: no number of a paper",
            [head, ["none", "25.0 ± 7.1", "2"], ["a < b", "50.0", "1"]],
        ],
    ]


def test_only_runs_of_the_course_and_of_each_notebook_the_latest(tmp_path):
    finish(tmp_path / "tiny", DELAYS, [entry("none", 0, 0.1)], profile="tiny")
    paper = config.resolve(DELAYS, profile="paper", data="spoken-digits", out=str(tmp_path / "p"))
    runs.start(paper).save_result([entry("none", 0, 0.9)], data={"name": "d", "note": "n"})
    assert "make tutorial" in tables.course_results(tmp_path)
    for name, accuracy in (("z", 0.2), ("a", 0.3)):
        finish(tmp_path / name, DELAYS, [entry("none", 0, accuracy)])
        manifest_time(tmp_path / name, "2026-01-02" if name == "a" else "2026-01-01")
    ((_, rows),) = Read(tables.course_results(tmp_path)).tables
    assert rows[1:] == [["none", "30.0", "1"]]


def manifest_time(folder, day):
    """Make a result some day's."""
    path = folder / "result.json"
    text = path.read_text()
    found = load_result(folder).finished
    path.write_text(text.replace(f'"finished": "{found}"', f'"finished": "{day}T00:00:00+00:00"'))


def test_no_results(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert "make tutorial" in tables.course_results()
    (tmp_path / "runs").mkdir()
    assert "make tutorial" in tables.course_results()
    with pytest.raises(SnnlabError, match="holds no result"):
        tables.course_results(tmp_path / "runs")
    with pytest.raises(SnnlabError, match="no such folder"):
        tables.course_results(tmp_path / "nowhere")


def test_rows_with_a_measurement_are_open_and_all_rows_are_folded(tmp_path):
    rows = targets.table(tmp_path, "delays")
    page = tables.folded_targets(rows)
    assert "No row has a measurement here." in page.partition("<details>")[0]
    assert page.count("<details>") == rows["table"].nunique()
    assert "<summary>delays: Table 1, SHD (8 not run)</summary>" in page
    rows.loc[0, ["status", "measured"]] = "reproduced", "95.01 ± 0.20 %"
    unfolded, _, folded = tables.folded_targets(rows).partition("<details>")
    assert unfolded.count("<tr>") == 2 and "95.01" in unfolded
    assert "(7 not run, 1 reproduced)" in folded and "95.01" in folded
