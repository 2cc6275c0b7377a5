"""What ships: packed without loss of counts, unpacked once, and never over somebody's own files."""

import json
import lzma
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.spike_set import bin_events
from snnlab.data.datasets import shipped as module
from snnlab.data.datasets.shipped import SPLITS, expand, pack, shipped
from snnlab.data.io.events import Events, read_events, read_meta, write_events


def speech(seed, n=6, seconds=0.7):
    """Recordings of a few hundred spikes at any time, as float16 keeps it."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 600, n)
    times = [
        np.sort(rng.uniform(0, seconds, size)).astype(np.float16).astype(np.float32)
        for size in sizes
    ]
    return Events(
        times=np.concatenate(times),
        units=rng.integers(0, 700, sizes.sum()).astype(np.uint16),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        labels=np.arange(n) % 3,
        speakers=rng.integers(0, 5, n),
        keys=("zero", "one", "fünf"),
    )


@pytest.fixture
def source(tmp_path):
    for i, split in enumerate(SPLITS):
        write_events(
            tmp_path / "source" / f"{split}.h5", speech(i), {"note": "a few spikes", "seed": "7"}
        )
    return tmp_path / "source"


@pytest.fixture
def packed(source, tmp_path, monkeypatch):
    """A small packed file where snnlab looks for what ships, and a folder to unpack it to."""
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    return pack(source, tmp_path / "shipped" / "spoken-digits.npz.xz")


def same_counts(a, b, dt_ms, n_in):
    a, b = (bin_events(events, dt_ms=dt_ms, n_in=n_in) for events in (a, b))
    index = torch.arange(len(a))
    return torch.equal(a.lengths, b.lengths) and torch.equal(a.batch(index)[0], b.batch(index)[0])


@pytest.mark.parametrize(
    ("dt_ms", "n_in"), [(10, 140), (10, 70), (20, 140), (20, 70), (30, 35), (250, 1)]
)
def test_counts_are_those_of_the_full_resolution(source, packed, dt_ms, n_in):
    folder = shipped()
    for split in SPLITS:
        before, after = read_events(source / f"{split}.h5"), read_events(folder / f"{split}.h5")
        assert same_counts(before, after, dt_ms, n_in)
        assert np.array_equal(after.labels, before.labels)
        assert np.array_equal(after.speakers, before.speakers)
        assert after.keys == before.keys


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), seconds=st.sampled_from([0.02, 0.5, 3.0]))
def test_any_recording_survives(tmp_path_factory, seed, seconds):
    folder = tmp_path_factory.mktemp("any")
    for split in SPLITS:
        write_events(folder / f"{split}.h5", speech(seed, n=3, seconds=seconds))
    with lzma.open(pack(folder, folder / "any.npz.xz")) as file:
        content = dict(np.load(file))
    write_events(folder / "unpacked.h5", expand(content, "test"))
    before, after = read_events(folder / "test.h5"), read_events(folder / "unpacked.h5")
    assert same_counts(before, after, 10, 140)
    assert same_counts(before, after, 40, 28)


def test_spikes_stand_in_the_middle_and_take_the_channels_in_turn():
    counts = np.zeros((5, 140), np.uint8)
    counts[0, 3] = 2  # the first recording: steps 0 to 2
    counts[2, 0] = 6
    counts[3, 139] = 1  # the second: steps 0 and 1
    counts[4, 139] = 1
    content = {
        "test/counts": counts,
        "test/lengths": np.array([3, 2], np.uint16),
        "test/labels": np.array([1, 0], np.uint16),
        "test/speakers": np.array([4, 9], np.uint16),
        "keys": np.array(["a", "b"]),
    }
    events = expand(content, "test")
    assert events.offsets.tolist() == [0, 8, 10]
    assert events.units.tolist() == [15, 16, 2, 3, 4, 0, 1, 2, 695, 696]
    assert np.allclose(events.times, [0, 0.005, *[0.025] * 6, 0, 0.015])


def test_provenance_is_kept(source, packed):
    meta = read_meta(shipped() / "train.h5")
    assert meta["note"] == "a few spikes"
    assert meta["seed"] == "7"
    assert meta["resolution"] == "counted in 10 ms and 5 adjacent channels"


def test_the_second_call_writes_nothing(packed):
    folder = shipped()
    stamps = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert shipped() == folder
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == stamps
    assert sorted(stamps) == ["test.h5", "train.h5", "valid.h5"]


def test_a_new_packed_file_replaces_what_the_old_one_left(source, packed):
    shipped()
    write_events(source / "train.h5", speech(99))
    pack(source, packed)
    assert same_counts(read_events(shipped() / "train.h5"), speech(99), 10, 140)


def test_what_a_kill_left_is_completed(packed):
    folder = shipped()
    (folder / "test.h5").unlink()
    whole = (folder / "train.h5").read_bytes()
    (folder / "train.h5").write_bytes(whole[: len(whole) // 2])
    assert shipped() == folder
    assert len(read_events(folder / "train.h5")) == len(read_events(folder / "test.h5")) == 6


def test_a_persons_own_files_are_not_overwritten(packed, tmp_path):
    own = tmp_path / "data" / "spoken-digits" / "train.h5"
    write_events(own, speech(5))
    with pytest.raises(SnnlabError, match=r"train\.h5: is not a file that ships.*Move your files"):
        shipped()
    assert same_counts(read_events(own), speech(5), 10, 140)
    assert not own.with_name("test.h5").exists()


def test_two_processes_may_unpack_at_once(packed, tmp_path):
    script = f"""
import pathlib, time
from snnlab.data.datasets import shipped
shipped.SHIPPED = pathlib.Path({str(packed.parent)!r})
while not pathlib.Path({str(tmp_path / "go")!r}).exists():
    time.sleep(0.001)
shipped.shipped()
"""
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    time.sleep(1)  # both are there
    (tmp_path / "go").touch()
    assert [process.wait(60) for process in both] == [0, 0]
    folder = tmp_path / "data" / "spoken-digits"
    assert sorted(file.name for file in folder.iterdir()) == ["test.h5", "train.h5", "valid.h5"]
    assert [len(read_events(folder / f"{split}.h5")) for split in SPLITS] == [6, 6, 6]


def test_a_damaged_packed_file_is_refused(packed, tmp_path):
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1
    packed.write_bytes(content)
    with pytest.raises(SnnlabError, match=r"spoken-digits\.npz\.xz: is damaged.*git checkout"):
        shipped()
    assert not (tmp_path / "data").exists()


def test_a_missing_packed_file_is_named(packed):
    packed.unlink()
    with pytest.raises(SnnlabError, match=r"spoken-digits\.npz\.xz: this file.*git checkout"):
        shipped()


def test_too_many_spikes_in_a_cell_are_refused(source, tmp_path):
    crowd = speech(0, n=1)
    crowd = Events(
        times=np.zeros(256, np.float32),
        units=np.zeros(256, np.uint16),
        offsets=np.array([0, 256]),
        labels=crowd.labels,
        speakers=crowd.speakers,
        keys=crowd.keys,
    )
    write_events(source / "valid.h5", crowd)
    with pytest.raises(SnnlabError, match=r"valid\.h5: 256 spikes in one cell"):
        pack(source, tmp_path / "out.npz.xz")
    assert not (tmp_path / "out.npz.xz").exists()


def test_the_checksum_file_is_the_one_sha256sum_writes(packed):
    digest, name = packed.with_name(packed.name + ".sha256").read_text().split()
    assert name == "spoken-digits.npz.xz"
    assert len(digest) == 64


def test_the_packed_file_is_plain_numpy(packed):
    with lzma.open(packed) as file:
        content = dict(np.load(file, allow_pickle=False))
    assert content["train/counts"].dtype == np.uint8
    assert json.loads(str(content["meta"]))["seed"] == "7"


def test_unpacked_files_are_in_shds_layout(packed):
    with h5py.File(shipped() / "test.h5") as file:
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float16
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == np.uint16
