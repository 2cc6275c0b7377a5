"""CIFAR10-DVS's recordings to counts in steps: a real file, and many made for a stand-in of the
decoder."""

import csv
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from snnlab._utils.errors import SnnlabError
from snnlab.cli.main import app
from snnlab.data.convert.from_aedat4 import convert_recordings
from snnlab.data.datasets import cifar10_dvs

FIELDS = [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")]  # as aedat 2.3 has them


def decode(path):
    """A recording of a test is an npy file; as aedat does, it comes in packets, with pictures in
    between."""
    with open(path, "rb") as file:
        events = np.load(file)
    yield {"stream_id": 1, "frame": None}
    for part in np.array_split(events, 2):
        yield {"stream_id": 0, "events": part}


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", types.SimpleNamespace(Decoder=decode))
    for label, name in enumerate(cifar10_dvs.CLASSES[:3]):
        (tmp_path / "raw" / name).mkdir(parents=True)
        for i in range(3):
            record(
                tmp_path / "raw" / name / f"cifar10_{name}_{i}.aedat4",
                [(7, label, 0, True), (i + 20, 9, 9, False)],
            )
    return tmp_path / "raw"


def record(path, events):
    with path.open("wb") as file:
        np.save(file, np.array(events, dtype=FIELDS))


def test_a_real_recording(tmp_path):
    """A square of three rows that moves right by a pixel a millisecond, 16 times: ON ahead of it,
    OFF behind."""
    recording = Path(__file__).parents[1] / "recordings/square.aedat4"  # made with dv-processing
    for name in cifar10_dvs.CLASSES[:2]:
        (tmp_path / "raw" / name).mkdir(parents=True)
        for i in range(3):
            shutil.copy(recording, tmp_path / f"raw/{name}/{i}.aedat4")
    done = CliRunner().invoke(
        app,
        [
            "data",
            "events-from-recordings",
            str(tmp_path / "raw"),
            str(tmp_path / "out"),
            "--workers",
            "1",
        ],
    )
    assert done.exit_code == 0 and "6 converted" in done.output, done.output
    x, y = cifar10_dvs.events(tmp_path / "out").test.batch(torch.tensor([1]))
    expected = torch.zeros(8, 2, 128, 128)
    for k in range(16):
        expected[k // 2, 0, 60:63, 40 + k] = 1
        expected[k // 2, 1, 60:63, 36 + k] = 1
    assert torch.equal(x[:, 0], expected) and y.tolist() == [1]
    (tmp_path / "raw/airplane/1.aedat4").write_bytes(recording.read_bytes()[:300])
    done = CliRunner().invoke(
        app,
        [
            "data",
            "events-from-recordings",
            str(tmp_path / "raw"),
            str(tmp_path / "new"),
            "--workers",
            "1",
        ],
    )
    assert (
        done.exit_code == 1
        and "1.aedat4" in done.stderr
        and "a whole AEDAT4 file was expected" in done.stderr
    )


def test_what_comes_out_can_be_learnt_from(source, tmp_path):
    for i in range(3, 20):
        shutil.copy(source / "bird/cifar10_bird_1.aedat4", source / f"bird/cifar10_bird_{i}.aedat4")
    outcome = convert_recordings(source, tmp_path / "out", workers=1)
    assert (outcome.written, outcome.failed) == (26, ())
    test = sorted(path.name for path in (tmp_path / "out/test").iterdir())
    assert test == [  # the last tenth by number, not by letter, and at least one
        "airplane-cifar10_airplane_2.mat",
        "automobile-cifar10_automobile_2.mat",
        "bird-cifar10_bird_18.mat",
        "bird-cifar10_bird_19.mat",
    ]
    data = cifar10_dvs.events(tmp_path / "out")
    assert data.train.labels.tolist().count(2) == 16 and data.test.labels.tolist() == [0, 1, 2, 2]
    x, y = data.test.batch(torch.tensor([0, 1, 2]))
    assert x.shape == (8, 3, 2, 128, 128) and x.sum() == 6
    assert (x[0, y, 0, 0, y] == 1).all() and (x[7, :, 1, 9, 9] == 1).all()
    assert convert_recordings(source, tmp_path / "out", workers=1).kept == 26


def test_what_systems_leave_in_folders_is_no_class_and_no_recording(source, tmp_path, litter):
    litter(source)
    outcome = convert_recordings(source, tmp_path / "out", workers=1)
    assert (outcome.written, outcome.failed) == (9, ())


def test_a_recording_whose_name_is_no_utf8(source, tmp_path):
    """The library cannot open it and says that there is none: that is no true sentence."""
    try:
        (source / "bird/cifar10_bird_0.aedat4").rename(
            source / "bird" / os.fsdecode(b"caf\xe9.aedat4")
        )
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    outcome = convert_recordings(source, tmp_path / "out", workers=1)
    assert (
        outcome.written == 8
        and "its name is no UTF-8, and aedat cannot open it" in outcome.failed[0][1]
    )
    assert r"caf\udce9.aedat4" in outcome.report.read_text(encoding="utf-8")


def test_steps_are_of_equal_length(source, tmp_path):
    """100 microseconds in 4 steps of 25: 0 to 24, 25 to 49, 50 to 74, 75 to 99 after the first
    event."""
    times = [1000, 1024, 1025, 1049, 1050, 1050, 1074, 1075, 1099]
    record(source / "bird/cifar10_bird_2.aedat4", [(t, 3, 5, True) for t in times])
    convert_recordings(source, tmp_path / "out", steps=4, workers=1)
    x, _ = cifar10_dvs.events(tmp_path / "out", steps=4).test.batch(torch.tensor([2]))
    assert x[:, 0, 0, 5, 3].tolist() == [2, 2, 3, 2] and x.sum() == 9
    with pytest.raises(SnnlabError, match="holds files made with .*4.*5.* was expected"):
        convert_recordings(source, tmp_path / "out", steps=5, workers=1)


def test_a_bad_recording_does_not_stop_the_others(source, tmp_path):
    (source / "cat").mkdir()
    (source / "bird/cifar10_bird_0.aedat4").write_bytes(b"no")
    record(source / "bird/cifar10_bird_1.aedat4", [])
    record(source / "cat/cifar10_cat_0.aedat4", [(0, 0, 128, True)])
    outcome = convert_recordings(source, tmp_path / "out", workers=1)
    assert outcome.written == 7
    sentences = [sentence for _, sentence in outcome.failed]
    for sentence, words in zip(
        sentences,
        ("cannot be read (", "holds no event", "column 0 or row 128; 0 to 127"),
        strict=True,
    ):
        assert words in sentence and "expected" in sentence
    with outcome.report.open() as file:
        assert len(list(csv.reader(file))) == 4


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_refused(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    refused(
        lambda: convert_recordings(tmp_path / "nowhere", out),
        "nowhere holds no folder; one folder of recordings a class was expected",
    )
    refused(
        lambda: convert_recordings(source, out, steps=0),
        "steps = 0: expected a whole number from 1",
    )
    (source / "dog").mkdir()
    refused(
        lambda: convert_recordings(source, out),
        "has the folders airplane, automobile, bird, dog; airplane, automobile",
    )
    (source / "dog").rename(source / "cat")
    refused(lambda: convert_recordings(source, out), "cat holds no file .aedat4")
    monkeypatch.setitem(sys.modules, "aedat", None)
    refused(
        lambda: convert_recordings(source, out), "aedat, which reads recordings, cannot be imported"
    )
    assert not out.exists()
