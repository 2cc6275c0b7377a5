"""The page "03 on a real camera": its parameters, its data, and a run from files to a result."""

import pytest
import standins
from leftovers import checked

from notebooks import PAGES
from snnlab._utils.errors import SnnlabError
from snnlab.course.config import resolve
from snnlab.course.data_check import check_data
from snnlab.runs.execute import execute, plan

PAGE = "03_real_camera"


@pytest.fixture
def data(tmp_path, monkeypatch):
    standins.n_mnist(tmp_path / "n-mnist", train=8, test=1)
    standins.mnist(tmp_path / "mnist", n=200)
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    return tmp_path


def test_the_page_runs_on_recordings_in_the_published_layout(data):
    (path,) = (path for path in PAGES if path.stem == PAGE)
    folder = data / "run"
    result = checked(execute(plan(path, {"profile": "tiny", "out": str(folder)})), path)
    assert result.data["name"] == "n-mnist" and result.data["samples"]["test"] == 45
    assert {entry["fold"] for entry in result.results} == {0, 1}
    by_recipe = {}
    for entry in result.results:
        assert 0 <= entry["test_accuracy"] <= 1
        by_recipe.setdefault(entry["recipe"], set()).add(entry["recordings"])
    assert by_recipe["zero-shot"] == {0}
    for recipe in ("scratch", "pipe-D-pictures", "pipe-D-edges"):
        assert by_recipe[recipe] == {20, 40}
    assert {"control: shuffled labels", "ablation: head"} < by_recipe.keys()
    # one ANN for each source and fold, whatever is trained after it
    anns = {path.stem for path in (folder / "checkpoints").glob("ANN-*.jsonl")}
    sources = ("pictures", "edges", "shuffled-labels", "other-pictures")
    assert anns == {f"ANN-{source}-{number}" for source in sources for number in (0, 1)}


def test_both_sets_have_to_be_there(data, tmp_path):
    config = resolve(PAGE, profile="tiny")
    check_data(config)
    with pytest.raises(SnnlabError, match="nowhere is not there; n-mnist .* as events_folder"):
        check_data(resolve(PAGE, events_folder=str(tmp_path / "nowhere")))
    (tmp_path / "n-mnist/Test").rename(tmp_path / "n-mnist/elsewhere")
    (tmp_path / "n-mnist/Train").mkdir(exist_ok=True)
    with pytest.raises(SnnlabError, match="no folder Test, whose .*snnlab data get n-mnist"):
        check_data(config)
    (tmp_path / "n-mnist/elsewhere").rename(tmp_path / "n-mnist/Test")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(SnnlabError, match="not hold t10k-labels.*snnlab data get mnist"):
        check_data(config)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (dict(recordings=[50, 100]), "epochs = .* one for each number of recordings"),
        (dict(recordings=[50], epochs=[9], search_folds=[1]), "expected two or more numbers"),
        (dict(decay=[0.25]), "decay = .* expected two shares"),
        (dict(search_folds=[1]), "search_folds = .* one for each number of recordings"),
        (dict(folds=2, search_folds=[3, 1, 1, 1]), "folds = 2: expected no more than there are"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(given, words):
    with pytest.raises(SnnlabError, match=words):
        resolve(PAGE, **given)
