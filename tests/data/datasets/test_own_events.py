"""Recordings of event cameras of one's own: found, framed, divided, and taken by notebook 03."""

import numpy as np
import pytest
import standins
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.course import tasks
from snnlab.course.config import resolve
from snnlab.course.data_check import check_data
from snnlab.data.registry import find, load_dataset

EVENTS = "03_transfer_to_event_streams"
FIELDS = [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i1")]


@pytest.fixture(autouse=True)
def below(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))


def write(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{len(list(folder.iterdir()))}.npy", np.array(rows, dtype=FIELDS))


@pytest.fixture
def motion(tmp_path):
    """Ten recordings of a class; the sensor has 12 columns and 20 rows, as one event of each shows.
    p is -1 or 1.
    """
    for number, name in enumerate(("left", "right")):
        for i in range(10):
            off = [(11, 19, t, -1) for t in (700, 1000)]  # tonic's frames leave out the last
            write(tmp_path / "motion" / name, [(number, i, 0, 1), (number, i, 10, 1), *off])
    return tmp_path / "motion"


def test_every_event_is_counted_in_its_place_by_hand(motion):
    """12 x 20 px stand in the middle of 20 x 20: column 0 is column 4."""
    data = load_dataset("motion", steps=2)
    assert data.classes == ("left", "right") and data.train.x.shape[2:] == (2, 20, 20)
    assert data.name == "motion"
    assert data.note.startswith("events from motion, 12 x 20 px; test is fold 0 of 5 of all rec")
    for part in (data.train, data.valid, data.test):
        for x, label in zip(part.x.transpose(0, 1), part.labels.tolist(), strict=True):
            assert x[0, 0].sum() == 2 == x[0, 0, :, 4 + label].sum() and x[0, 1].sum() == 0
            assert x[1, 1, 19, 15] == 1 and x.sum() == 3


def test_each_recording_is_tested_once(motion):
    rows = []
    for fold in range(5):
        data = load_dataset("motion", fold=fold, steps=1)
        assert len(data.train) + len(data.valid) + len(data.test) == 20 and len(data.test) == 4
        rows += data.test.x[0, :, 0].flatten(1).nonzero().tolist()
    assert load_dataset("motion").preprocessing["folds"] == 5
    assert len({tuple(map(int, x.flatten().nonzero().flatten())) for x in data.test.x[0]}) == 4
    assert len(rows) == 20


def test_nobody_is_in_two_parts_where_folders_say_who_was_recorded(tmp_path):
    """Column 0 to 2 says who it is."""
    for number, who in enumerate(("anna", "bo", "cy")):
        for name in ("left", "right"):
            for i in range(4):
                write(tmp_path / "set" / who / name, [(number, i, 0, 1), (19, 19, 9, 0)])
    assert find("set", "events")[0].name == "event-recordings"
    tested = set()
    for fold in range(3):
        data = load_dataset("set", fold=fold, steps=1)  # as many folds as people, who are below 5
        people = [
            set(getattr(data, part).x[0, :, 0, :, :3].sum(1).nonzero()[:, 1].tolist())
            for part in ("train", "valid", "test")
        ]
        assert [*map(len, people)] == [1, 1, 1] and len(set.union(*people)) == 3
        assert data.classes == ("left", "right") and len(data.test) == 8
        assert f"; test: the 1 people of fold {fold} of 3; validation: 1 of 2 tra" in data.note
        tested |= people[2]
    assert len(tested) == 3
    with pytest.raises(SnnlabError, match="folds = 4: expected 2 to 3, the number of people in"):
        check_data(resolve(EVENTS, profile="tiny", data="set", folds=4))


def test_edges_are_on_minus_off_of_the_same_recordings(motion):
    entry, folder = find("motion", "events")
    events, edges = (entry.read(folder, {"steps": 2}, how) for how in ("", entry.edges))
    x = events.test.x.float()
    assert torch.equal(edges.test.x[0, :, 0], (x[:, :, 0] - x[:, :, 1]).sum(0) / 2)
    assert torch.equal(edges.test.labels, events.test.labels)


def test_notebook_03_takes_them_with_digits_or_other_pictures(motion, tmp_path):
    config = resolve(EVENTS, profile="tiny", data="motion", folds=4)
    check_data(config)
    task = tasks.events(config)
    shapes = {name: part.train.x.shape[2:] for name, part in task.data.items()}
    assert shapes == {"pictures": (1, 20, 20), "edges": (1, 20, 20), "target": (2, 20, 20)}
    assert task.source["name"] == "motion" and task.source["preprocessing"]["folds"] == 4
    standins.imagenet(tmp_path / "photos", train=2, test=1)
    config = resolve(EVENTS, profile="tiny", data="motion", pictures_folder="photos")
    check_data(config)
    assert tasks.events(config).networks["pictures"].in_channels == 3


def test_files_bin_are_taken_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "set" / name / f"{i}.bin").write_bytes(
                standins.n_mnist_file([i, 9], [3, 4], [0, 5], [1, 0])
            )
    assert load_dataset(tmp_path / "set", size=5).test.x.shape == (9, 4, 2, 5, 5)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 4)), "has no field p, t, x, y; a structured array with the fields x, y"),
        (np.zeros(3, [("x", "i2"), ("y", "i2"), ("t", "i8")]), "has no field p;"),
        (np.zeros(0, FIELDS), "holds no event"),
        (
            np.full(3, np.nan, [(name, "f8") for name in "xytp"]),
            "holds values of x that are not finite",
        ),
    ],
)
def test_arrays_that_are_no_events_are_refused(motion, array, words):
    np.save(motion / "left/0.npy", array)
    with pytest.raises(SnnlabError, match=f"1 of 20 recordings are bad; .*\n.*{words}"):
        load_dataset("motion")


def test_a_folder_without_a_readable_recording_is_refused_before_a_run(motion):
    config = resolve(EVENTS, profile="tiny", data="motion")
    *others, last = sorted(motion.rglob("*.npy"))
    for path in others:
        path.write_text("no array")
    check_data(config)  # the last one can be read; `load` names the others
    np.save(last, np.zeros((3, 4)))
    others[0].unlink()
    np.save(others[0], np.zeros((3, 4)))
    for read in (check_data, lambda config: load_dataset("motion")):
        with pytest.raises(
            SnnlabError, match="motion: none of its 20 recordings can be read: .*no field p, t"
        ):
            read(config)


def test_settings_that_do_not_fit(motion):
    for wrong, words in (
        (dict(folds=21), "folds = 21: expected 2 to 20, the number of recordings"),
        (dict(folds=5, fold=5), "fold = 5: expected a whole number from 0 to 4"),
        (dict(labelled=20), "labelled"),
    ):
        with pytest.raises(SnnlabError, match=words):
            check_data(resolve(EVENTS, profile="tiny", data="motion", **wrong))
    with pytest.raises(SnnlabError, match="no data set of events called 'motoin'"):
        resolve(EVENTS, profile="tiny", data="motoin")


def test_a_large_folder_is_not_searched(tmp_path):
    """A published set lies at most two folders down."""
    (tmp_path / "tree/a/b/c/d").mkdir(parents=True)
    (tmp_path / "tree/a/b/c/d/v_Archery_g01_c01").touch()
    assert find(str(tmp_path / "tree"))[0].name == "recordings"
