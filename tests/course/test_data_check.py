"""Whether the data that a configuration names is there, before anything starts."""

import json
import subprocess
import sys

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.course import tasks
from snnlab.course.config import NOTEBOOKS, resolve
from snnlab.course.data_check import check_data

STATIC, EVENTS = "02_pretrain_and_transfer", "03_transfer_to_event_streams"
DELAYS, EXPLORING, PRETRAINED = "04_learning_delays", "05_exploring_delays", "06_pretrained_delays"
RESULTS = "07_paper_results"
PAPER = dict(profile="paper")
CLIP = "v_Archery_g01_c01"
VIDEO = PAPER | dict(data="es-ucf101", model="video")
WORDS = dict(data="gsc", features="paper", n_in=140, dt_ms=10)


@pytest.fixture(autouse=True)
def below(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))


def touch(folder, names):
    for name in names.split():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


COURSE = [stem for stem, kind in NOTEBOOKS.items() if kind.notebook_folder == "notebooks"]


@pytest.mark.parametrize("notebook", COURSE)
def test_what_ships_is_there(notebook):
    check_data(resolve(notebook, profile="tiny"))


@pytest.mark.parametrize(
    ("notebook", "given", "there", "words"),
    [
        (STATIC, PAPER, "", "^data imagenet is absent: snnlab data get imagenet"),
        (
            STATIC,
            PAPER,
            "imagenet/train/a/1.png",
            "does not hold val or val.*; .* give its folder as data",
        ),
        (STATIC, PAPER, "imagenet/train/a/1.png imagenet/val/1.png", "val holds no folder"),
        (STATIC, PAPER, "imagenet/train-0.tar imagenet/train-2.tar", "has 2 of the shards train"),
        (STATIC, dict(data="nowhere"), "", "nowhere is not there; imagenet was expected there"),
        (EVENTS, PAPER, "", "es-imagenet is absent: .* give its folder as events_folder"),
        (EVENTS, PAPER | dict(events_folder="nowhere"), "", "nowhere is not there; es-"),
        (EVENTS, PAPER, "es-imagenet/train/a", "not hold val and trainlabel.txt or trainlabel.csv"),
        (EVENTS, PAPER | dict(data="cifar10-dvs"), "cifar10-dvs/train/a.mat", "not hold test;"),
        (
            EVENTS,
            PAPER | dict(data="cifar10-dvs", size=50),
            "cifar10-dvs/train/a.mat cifar10-dvs/test/a.mat",
            "size is 50; a number of px of which a multiple is 126",
        ),
        (EVENTS, VIDEO, "es-ucf101/x ucf101/x", r"hold v_\* or .*`snnlab data get es-ucf101`"),
        (EVENTS, VIDEO, f"es-ucf101/{CLIP}.npz", "data ucf101 is absent: .* as pictures_folder"),
        (
            DELAYS,
            PAPER,
            "shd/shd_train.h5",
            "does not hold shd_test.h5; shd was .*`snnlab data get shd`",
        ),
        (DELAYS, dict(data="spoken-digit"), "", r"did you mean spoken-digits\?"),
        (DELAYS, WORDS, "", "data gsc is absent: snnlab data get gsc"),
        (DELAYS, WORDS, "gsc/testing_list.txt", "validation_list.txt cannot be read"),
        (DELAYS, dict(protocol="published"), "", "valid.h5: a validation set is there"),
    ],
)
def test_what_is_missing_is_refused_as_the_readers_do(notebook, given, there, words, tmp_path):
    touch(tmp_path, there)
    config = resolve(notebook, **{"profile": "tiny", **given})
    with pytest.raises(SnnlabError, match=words) as caught:
        check_data(config)
    assert "\n" not in str(caught.value)
    read = {STATIC: tasks.static, EVENTS: tasks.events, DELAYS: tasks.recordings}[notebook]
    with pytest.raises(SnnlabError):
        read(config)


@pytest.mark.parametrize("notebook", [EXPLORING, PRETRAINED])
def test_the_other_notebooks_on_delays_hear_the_same_recordings(notebook):
    with pytest.raises(SnnlabError, match="data ssc is absent: snnlab data get ssc"):
        check_data(resolve(notebook, data="ssc"))


@pytest.mark.parametrize(
    ("notebook", "parameter", "there", "words"),
    [
        (EXPLORING, "checkpoint", "", "is not there; give a checkpoint or the folder of a run"),
        (EXPLORING, "checkpoint", "given/run/result.json", "holds no file .pt; give that of a"),
        (RESULTS, "folder", "", "is not there; name one with runs in it"),
    ],
)
def test_a_checkpoint_or_folder_of_runs_is_missing(notebook, parameter, there, words, tmp_path):
    touch(tmp_path, there)
    config = resolve(notebook, **{parameter: str(tmp_path / "given")})
    with pytest.raises(SnnlabError, match=f"^{parameter}: .*given {words}"):
        check_data(config)
    touch(tmp_path, "given/run/checkpoints/net.pt")
    check_data(config)


def test_what_lies_there_passes(tmp_path):
    for names in (
        "imagenet/train/a/1.png imagenet/val/a/1.png",
        "shards/train-000000.tar shards/val-000000.tar",
        "elsewhere/train/x elsewhere/val/x elsewhere/trainlabel.csv elsewhere/vallabel.txt",
        f"es-ucf101/Archery/{CLIP}.npz ucf101/Archery/{CLIP}/frame000001.jpg",
        "shd/shd_train.h5 shd/shd_test.h5",
        "gsc/testing_list.txt gsc/validation_list.txt",
    ):
        touch(tmp_path, names)
    check_data(resolve(STATIC, **PAPER))
    check_data(resolve(STATIC, **PAPER, data=str(tmp_path / "shards")))
    check_data(resolve(EVENTS, **PAPER, events_folder=str(tmp_path / "elsewhere")))
    check_data(resolve(EVENTS, **VIDEO))
    check_data(resolve(DELAYS, **PAPER, protocol="published"))
    check_data(resolve(DELAYS, **WORDS))


def test_nothing_waits_for_torch():
    code = (
        "import json, sys\nfrom snnlab.course.config import resolve\nfrom "
        f"snnlab.course.data_check import check_data\nfor stem in {COURSE}: "
        "check_data(resolve(stem, profile='tiny'))\nprint(json.dumps('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False
