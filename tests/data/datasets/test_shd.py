"""The reader of SHD's layout: bins against a plain oracle, batches, held-out speakers, every door
and its sentence.
"""

import math
from collections import Counter

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.spike_set import _longest
from snnlab.data.datasets.shd import bin_events, load
from snnlab.data.holdout import balanced, hold_out_recordings, hold_out_speakers
from snnlab.data.io.events import Events, read_events, write_events


def oracle(events, i, dt_ms, n_in):
    """Recording `i` as {(step, input): count}, one spike at a time, in exact arithmetic on the
    stored times.
    """
    times = events.times[events.offsets[i] : events.offsets[i + 1]].tolist()
    units = events.units[events.offsets[i] : events.offsets[i + 1]].tolist()
    return Counter(
        (math.floor((t - times[0]) * 1000 / dt_ms), unit * n_in // 700)
        for t, unit in zip(times, units, strict=True)
    )


def by_event(events, i, dt_ms, n_in):
    """Do the same with `binning="event"`, in NumPy's float16, by the published rule.

    A step ends before the first spike that is more than dt after the spike with which it began.
    """
    times = np.float16(1000) * events.times[events.offsets[i] : events.offsets[i + 1]].astype(
        np.float16
    )
    units = events.units[events.offsets[i] : events.offsets[i + 1]].tolist()
    cells, step, first = Counter(), 0, times[0]
    for t, unit in zip(times, units, strict=True):
        if t - first > np.float16(dt_ms):
            step, first = step + 1, t
        cells[step, unit * n_in // 700] += 1
    return cells


def dense_as_counter(column):
    return Counter({tuple(where): int(column[tuple(where)]) for where in column.nonzero().tolist()})


whole_ms = st.integers(0, 1200).map(lambda ms: np.float32(np.float16(ms / 1000)))
any_time = st.floats(0, 1.5, width=16).map(np.float32)
recording = st.lists(st.tuples(whole_ms | any_time, st.integers(0, 699)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(recording, min_size=1, max_size=6),
    st.sampled_from([1.0, 2.5, 10.0, 20.0, 1000.0]),
    st.sampled_from([1, 7, 70, 140, 700]),
    st.sampled_from([("regular", oracle), ("event", by_event)]),
    st.data(),
)
def test_batches_equal_a_count_of_one_spike_at_a_time(rows, dt_ms, n_in, binning, data):
    binning, counted = binning
    rows = [sorted(row, key=lambda spike: spike[0]) for row in rows]
    events = Events(
        times=np.array([t for row in rows for t, _ in row], dtype=np.float32),
        units=np.array([u for row in rows for _, u in row], dtype=np.uint16),
        offsets=np.cumsum([0, *map(len, rows)]),
        labels=np.arange(len(rows)),
        speakers=np.zeros(len(rows), dtype=np.int64),
        keys=tuple(map(str, range(len(rows)))),
    )
    whole = bin_events(events, dt_ms=dt_ms, n_in=n_in, binning=binning)
    index = torch.tensor(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8)))
    for part, chosen in ((whole, index), (whole.subset(index), torch.arange(len(index)))):
        spikes, labels = part.batch(chosen)
        expected = [counted(events, int(i), dt_ms, n_in) for i in index]
        assert labels.tolist() == index.tolist()
        assert part.lengths[chosen].tolist() == [
            1 + max(step for step, _ in cells) for cells in expected
        ]
        assert (
            spikes.shape == (int(part.lengths[chosen].max()), len(index), n_in)
            and spikes.dtype == torch.float32
        )
        assert [dense_as_counter(spikes[:, b]) for b in range(len(index))] == expected


def test_a_recording_by_hand():
    events = Events(
        times=np.array([0.5, 0.5, 0.509, 0.511, 0.531], dtype=np.float32),
        units=np.array([0, 4, 5, 699, 0], dtype=np.uint16),
        offsets=np.array([0, 5]),
        labels=np.array([0]),
        speakers=np.array([0]),
        keys=("a",),
    )
    spikes, _ = bin_events(events, dt_ms=10, n_in=140).batch(torch.tensor([0]))
    assert spikes.shape == (4, 1, 140)
    assert dense_as_counter(spikes[:, 0]) == {(0, 0): 2, (0, 1): 1, (1, 139): 1, (3, 0): 1}


def test_silence_is_left_out_where_a_step_begins_with_a_spike():
    """By hand: 0 to 10 ms is one step, its end included; the 200 ms of silence are none; then 210
    to 220, and 221.
    """
    one = np.array([0])
    times = np.array([0, 4, 10, 210, 212, 220, 221], dtype=np.float32) / 1000
    units = np.array([0, 0, 5, 10, 699, 10, 0], dtype=np.uint16)
    events = Events(
        times.astype(np.float16).astype(np.float32), units, np.array([0, 7]), one, one, ("a",)
    )
    spikes, _ = bin_events(events, dt_ms=10, n_in=140, binning="event").batch(torch.tensor([0]))
    assert dense_as_counter(spikes[:, 0]) == {
        (0, 0): 2,
        (0, 1): 1,
        (1, 2): 2,
        (1, 139): 1,
        (2, 0): 1,
    }
    regular = bin_events(events, dt_ms=10, n_in=140)
    assert regular.lengths.tolist() == [23]


@pytest.mark.parametrize(
    "first, steps",
    # 10.00390625 ms and, in float16, the next earlier time
    [(0.0005040168762207031, 1), (0.0005035400390625, 2)],
)
def test_a_step_ends_where_float16_has_it(first, steps):
    """The difference of the first pair is 10 when rounded to float16, the tie to even."""
    times = np.array([first, 0.01050567626953125], dtype=np.float32)
    assert np.array_equal(times, times.astype(np.float16))
    one = np.array([0])
    events = Events(times, np.array([0, 1], np.uint16), np.array([0, 2]), one, one, ("a",))
    assert bin_events(events, dt_ms=10, n_in=700, binning="event").lengths.item() == steps


@pytest.mark.parametrize("dt_ms", [1.0, 2.5, 2.501953125, 10.0, 10.1])
def test_differences_are_compared_as_float16_compares_them(dt_ms):
    for ulps in range(-8, 9):  # quarters of the distance to the next float16
        difference = float(np.float16(dt_ms)) + ulps / 4 * float(np.spacing(np.float16(dt_ms)))
        assert (difference <= _longest(dt_ms)) == (np.float16(difference) <= np.float16(dt_ms)), (
            ulps
        )


def test_bins_equal_those_of_spikingjelly_where_its_half_precision_does_not_matter(make):
    """SpikingJelly subtracts and scales in float16: spikes in the middle of a bin fall alike. Its
    rule, restated.
    """
    rng = np.random.default_rng(0)
    times = np.concatenate([[0.0], np.sort(rng.integers(0, 60, 300)) * 0.01 + 0.005]).astype(
        np.float16
    )
    units = rng.integers(0, 700, 301).astype(np.uint16)
    one = np.array([0])
    events = Events(times.astype(np.float32), units, np.array([0, 301]), one, one, ("a",))
    spikes, _ = bin_events(events, dt_ms=10, n_in=700).batch(torch.tensor([0]))
    scaled = np.float16(1000) * times - np.float16(1000) * times[0]
    frames = np.zeros((math.ceil(scaled[-1] / 10), 700))
    np.add.at(frames, ((scaled // 10).astype(int), units), 1)
    np.testing.assert_array_equal(spikes[:, 0].numpy(), frames)


@pytest.mark.parametrize("dt_ms", [1, 5, 10, 2.5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_spikes_on_a_grid_of_steps_fall_into_one_step_each(tmp_path, dt_ms, kind):
    """A simulator writes them so; in float32, many of these times are below their decimal ones."""
    rows = [((first + np.arange(300)) * dt_ms / 1000).astype(kind) for first in range(20)]
    times, units = np.empty((2, 20), dtype=object)
    for i, row in enumerate(rows):
        times[i], units[i] = row, np.zeros(300, np.uint16)
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_dataset("spikes/times", data=times, dtype=h5py.vlen_dtype(kind))
        file.create_dataset("spikes/units", data=units, dtype=h5py.vlen_dtype(np.uint16))
        file["labels"] = np.zeros(20, np.uint16)
    binned = bin_events(read_events(tmp_path / "all.h5"), dt_ms=dt_ms, n_in=1)
    assert torch.equal(binned.batch(torch.arange(20))[0], torch.ones(300, 20, 1))


@pytest.mark.parametrize("size", [1, 3, 7, 64])
def test_batches_hold_every_recording_once(make, size):
    data = bin_events(make(np.arange(50) % 5), dt_ms=10, n_in=70)
    for generator in (None, torch.Generator().manual_seed(1)):
        index = data.index_batches(size, generator=generator)
        assert sorted(torch.cat(index).tolist()) == list(range(50))
        assert sorted(map(len, index), reverse=True) == [size] * (50 // size) + [50 % size] * (
            50 % size > 0
        )
    lengths = data.lengths[torch.cat(data.index_batches(size))]
    assert (lengths.diff() >= 0).all()


def test_batches_follow_the_generator(make):
    data = bin_events(make(np.arange(300) % 5), dt_ms=1, n_in=70)
    one, same, other = (
        [labels for _, labels in data.batches(8, generator=torch.Generator().manual_seed(seed))]
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_little_of_a_shuffled_batch_is_padding(make):
    data = bin_events(make(np.arange(600) % 5, most=4), dt_ms=1, n_in=1)

    def filled(batches):
        return int(data.lengths.sum()) / sum(int(data.lengths[i].max()) * len(i) for i in batches)

    plain = torch.randperm(600, generator=torch.Generator().manual_seed(0)).split(16)
    assert (
        filled(data.index_batches(16, generator=torch.Generator().manual_seed(0)))
        > 0.85
        > filled(plain)
    )


def test_what_follows_a_recording_is_silence_whatever_its_company(make):
    data = bin_events(make(np.arange(20) % 5), dt_ms=10, n_in=70)
    together, _ = data.batch(torch.arange(20))
    for i in range(20):
        alone, _ = data.batch(torch.tensor([i]))
        assert (
            torch.equal(together[: len(alone), i], alone[:, 0])
            and not together[len(alone) :, i].any()
        )


@pytest.mark.parametrize(("dt_ms", "n_in", "words"), [
    (0.5, 70, "dt_ms is 0.5; 1 to 1000 ms"),
    (-10, 70, "dt_ms is -10"),
    (math.nan, 70, "dt_ms is nan"),
    (10, 0, "n_in is 0; a divisor of the 700"),
    (10, 64, "n_in is 64; .*Choose one of 1, 2, 4, 5, 7,"),
    (10, 1400, "n_in is 1400"),
])  # fmt: skip
def test_bins_out_of_range(make, dt_ms, n_in, words):
    with pytest.raises(SnnlabError, match=words):
        bin_events(make([0]), dt_ms=dt_ms, n_in=n_in)


def test_a_set_says_what_it_is(make):
    data = bin_events(make([0, 1, 1], [4, 4, 5]), dt_ms=10, n_in=70)
    mean = sum(data.lengths.tolist()) / 300
    assert (
        repr(data) == f"<3 recordings of 2 classes by 2 speakers, {mean:.2f} s on average, up to "
        f"{max(data.lengths)} steps of 10 ms, 70 inputs>"
    )


def test_batch_size_out_of_range(make):
    with pytest.raises(SnnlabError, match="batch_size = 0: expected a whole number from 1"):
        bin_events(make([0]), dt_ms=10, n_in=70).index_batches(0)


# Holding out


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=80))
def test_held_out_speakers_are_whole_and_leave_every_class(rows):
    labels, speakers = np.array(rows).T
    held = hold_out_speakers(labels, speakers)
    if held is None:  # then every speaker alone says some class, or is the only one
        for who in set(speakers):
            assert set(labels[speakers != who]) != set(labels)
    else:
        assert 0 < held.sum() < len(held)
        assert not set(speakers[held]) & set(speakers[~held])
        assert set(labels[~held]) == set(labels)


def test_held_out_speakers_are_about_fifteen_percent_of_every_class():
    """Two languages, 40 voices each, as in the generated set: both must be in validation."""
    speakers = np.repeat(np.arange(80), 10)
    labels = np.tile(np.arange(10), 80) + 10 * (speakers >= 40)
    held = hold_out_speakers(labels, speakers)
    assert set(np.bincount(labels[held]).tolist()) == {6}  # of 40
    np.testing.assert_array_equal(held, hold_out_speakers(labels, speakers))


def test_of_two_speakers_one_is_held_out():
    held = hold_out_speakers(np.array([0, 1, 0, 1]), np.array([7, 7, 9, 9]))
    assert held.tolist() in ([True, True, False, False], [False, False, True, True])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_held_out_recordings_leave_every_class(labels):
    labels = np.array(labels)
    held = hold_out_recordings(labels)
    for label in set(labels):
        size = (labels == label).sum()
        assert held[labels == label].sum() == (max(1, round(0.15 * size)) if size > 1 else 0)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 60))
def test_a_limit_takes_as_many_of_each_class_as_can_be(labels, limit):
    labels = np.array(labels)
    index = balanced(labels, limit, seed=3)
    assert len(index) == len(set(index.tolist())) == min(limit, len(labels))
    taken, there = np.bincount(labels[index], minlength=4), np.bincount(labels, minlength=4)
    assert all(taken[c] == there[c] or taken[c] >= taken.max() - 1 for c in range(4))


# Loading


@pytest.fixture
def folder(tmp_path, make):
    labels = np.arange(120) % 4
    write_events(tmp_path / "train.h5", make(labels, np.arange(120) // 12, seed=1))
    write_events(tmp_path / "test.h5", make(labels[:20], np.full(20, 30), seed=2))
    return tmp_path


def test_a_folder_without_validation_holds_speakers_out(folder):
    data = load(folder, dt_ms=10, n_in=70)
    assert (len(data.train), len(data.valid), len(data.test)) == (96, 24, 20)
    assert not set(data.train.speakers.tolist()) & set(data.valid.speakers.tolist())
    assert data.classes == data.train.classes == ("word 0", "word 1", "word 2", "word 3")
    assert data.name == folder.name and data.path == str(folder)
    assert data.note == f"recordings from {folder}; validation: 2 of 10 training speakers, held out"
    assert len(data.sha256) == 64
    assert data.source == {
        "name": folder.name,
        "note": data.note,
        "path": str(folder),
        "sha256": data.sha256,
        "batch": ["T", "B", 70],
        "unit": "spikes a step and input",
        "samples": {"train": 96, "valid": 24, "test": 20},
        "preprocessing": {
            "dt_ms": 10.0,
            "n_in": 70,
            "binning": "regular",
            "limit": None,
            "seed": 0,
            "hold_out": True,
        },
        "origin": {},
    }


def test_the_binning_is_asked_for_and_recorded(folder):
    regular, other = (
        load(folder, dt_ms=10, n_in=70, binning=name) for name in ("regular", "event")
    )
    assert (other.test.lengths <= regular.test.lengths).all() and not torch.equal(
        other.test.lengths, regular.test.lengths
    )
    assert other.source["preprocessing"]["binning"] == "event"
    with pytest.raises(SnnlabError, match="no binning called 'events' .did you mean event"):
        load(folder, dt_ms=10, n_in=70, binning="events")


def test_a_folder_with_validation_keeps_it(folder, make):
    write_events(folder / "valid.h5", make([0, 1, 2, 3], [1, 1, 1, 1], seed=5), {})
    data = load(str(folder), dt_ms=20, n_in=140)
    assert (len(data.train), len(data.valid)) == (
        120,
        4,
    ) and data.note == f"recordings from {folder}; 1 of 1 valid speakers are in training, too"
    assert (data.train.dt_ms, data.train.n_in) == (20.0, 140)


def test_nothing_is_held_out_where_all_is_to_be_trained_on(folder, make):
    data = load(folder, dt_ms=10, n_in=70, hold_out=False, limit=40)
    assert (len(data.train), len(data.test)) == (40, 20) and data.valid is data.test
    assert len(load(folder, dt_ms=10, n_in=70, hold_out=False).train) == 120
    assert data.note.endswith("; no validation: all training recordings are trained on")
    assert data.source["preprocessing"]["hold_out"] is False
    write_events(folder / "valid.h5", make([0, 1, 2, 3], [1, 1, 1, 1], seed=5), {})
    with pytest.raises(SnnlabError, match=r"valid.h5: a validation set is there"):
        load(folder, dt_ms=10, n_in=70, hold_out=False)


def test_one_speaker_holds_recordings_out_and_says_so(folder, make):
    write_events(folder / "train.h5", make(np.arange(40) % 4), {"note": "one voice"})
    data = load(folder, dt_ms=10, n_in=70)
    assert (len(data.train), len(data.valid)) == (32, 8)
    assert (
        data.note
        == "one voice; validation: 8 training recordings of the same speakers, for no speaker "
        "can be spared"
    )


def test_a_file_stands_for_its_folder(folder):
    assert (
        load(folder / "test.h5", dt_ms=10, n_in=70).sha256 == load(folder, dt_ms=10, n_in=70).sha256
    )


def test_a_changed_file_is_read_again(folder, make):
    before = load(folder, dt_ms=10, n_in=70)
    write_events(folder / "test.h5", make([0, 1, 2, 3, 3], seed=3))
    after = load(folder, dt_ms=10, n_in=70)
    assert len(after.test) == 5 and before.sha256 != after.sha256


def test_a_limit(folder):
    one, same, other = (load(folder, dt_ms=10, n_in=70, limit=20, seed=seed) for seed in (0, 0, 1))
    assert (len(one.train), len(one.valid), len(one.test)) == (20, 5, 20)
    assert torch.bincount(one.train.labels).tolist() == [5, 5, 5, 5]
    assert torch.equal(one.train.cells, same.train.cells) and not torch.equal(
        one.train.cells, other.train.cells
    )
    assert len(load(folder, dt_ms=10, n_in=70, limit=10**6).train) == 96


@pytest.mark.parametrize(
    ("name", "splits"), [("shd", ("train", "test")), ("ssc", ("train", "valid", "test"))]
)
def test_published_names(tmp_path, make, monkeypatch, name, splits):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    (tmp_path / name).mkdir()
    for split in splits[:-1]:
        write_events(
            tmp_path / name / f"{name}_{split}.h5", make(np.arange(40) % 4, np.arange(40) // 8)
        )
    with pytest.raises(
        SnnlabError,
        match=rf"does not hold {name}_test.h5; {name} was expected there. Get it with .snnlab",
    ):
        load(name, dt_ms=10, n_in=140)
    write_events(tmp_path / name / f"{name}_test.h5", make(np.arange(8) % 4))
    for data in (load(name, dt_ms=10, n_in=140), load(tmp_path / name, dt_ms=10, n_in=140)):
        assert (
            data.name == name
            and len(data.test) == 8
            and set(data.valid.labels.tolist()) == {0, 1, 2, 3}
        )
    assert load(name, dt_ms=10, n_in=140).note.startswith("the Spiking")


def test_what_ships(folder, monkeypatch):
    monkeypatch.setattr("snnlab.data.datasets.shipped.shipped", lambda name: folder)
    data = load("spoken-digits", dt_ms=10, n_in=70)
    assert (
        data.name == "spoken-digits"
        and data.note.startswith("generated speech")
        and "not SHD" in data.note
    )


def test_no_such_data(folder, make, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(
        SnnlabError, match=r"'spoken-digit', which is neither.*did you mean spoken-digits"
    ):
        load("spoken-digit", dt_ms=10, n_in=70)
    with pytest.raises(SnnlabError, match="neither a folder nor one of spoken-digits, shd, ssc;"):
        load("/nowhere/at/all", dt_ms=10, n_in=70)
    (folder / "test.h5").unlink()
    with pytest.raises(
        SnnlabError, match=r"train.h5 and test.h5 .* were expected there.*from-audio"
    ):
        load(folder, dt_ms=10, n_in=70)
    with pytest.raises(SnnlabError, match="limit = 0"):
        load(folder, dt_ms=10, n_in=70, limit=0)


def test_files_that_do_not_belong_together(folder, make):
    write_events(folder / "test.h5", make([0, 1, 2, 3], keys=("a", "b", "c", "d")))
    with pytest.raises(SnnlabError, match=r"test.h5: extra/keys differs from that of .*train.h5"):
        load(folder, dt_ms=10, n_in=70)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_class_that_is_tested_and_not_trained(folder, make, split):
    keys = ("a", "b", "c", "d")
    for name in ("train", "test"):
        write_events(folder / f"{name}.h5", make([0, 1, 2] * 4, keys=keys))
    assert (
        load(folder, dt_ms=10, n_in=70).classes == keys
    )  # a name that no recording has is no fault
    write_events(folder / f"{split}.h5", make([0, 1, 2, 3], keys=keys))
    with pytest.raises(
        SnnlabError, match=rf"{split}.h5 has recordings of d; only classes that occur in training"
    ):
        load(folder, dt_ms=10, n_in=70)


def test_nothing_to_hold_out(folder, make):
    write_events(folder / "train.h5", make([0, 1, 2, 3]))
    with pytest.raises(SnnlabError, match=r"every class has one recording.*valid.h5"):
        load(folder, dt_ms=10, n_in=70)


def test_a_damaged_file_stops_loading(folder):
    (folder / "test.h5").write_bytes(b"no")
    with pytest.raises(SnnlabError, match=r"test.h5: cannot be read as HDF5"):
        load(folder, dt_ms=10, n_in=70)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("others", [("train",), ("train", "valid", "test"), ("test",)])
def test_a_set_in_one_file_beside_a_divided_one(tmp_path, suffix, others):
    for part in ("all", *others):
        (tmp_path / f"{part}{suffix}").touch()
    words = rf"{tmp_path}: all{suffix} lies beside {others[0]}{suffix}; either .* Remove one"
    with pytest.raises(SnnlabError, match=words):
        load(tmp_path, dt_ms=10, n_in=70)
