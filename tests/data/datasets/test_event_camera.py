"""Recordings of event cameras: frames by hand and by tonic, folds, and files that are bad."""

import builtins
import errno
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import standins
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.cifar10_dvs import CLASSES
from snnlab.data.datasets.event_camera import CameraSet, n_mnist
from snnlab.data.registry import find, load_dataset

RECORDING = Path(__file__).parents[1] / "recordings/square.aedat4"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("n-mnist")
    standins.n_mnist(folder, train=14, test=3)
    return folder


@pytest.fixture
def folder(source, tmp_path):
    return shutil.copytree(source, tmp_path / "n-mnist")


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    assert "expected" in str(caught.value)
    return str(caught.value)


def test_every_event_is_counted_in_its_step_and_pixel(folder):
    """From 100 to 1,000 microseconds in three steps of 300: the last event ends the recording."""
    events = [(3, 5, 100, 1), (3, 5, 399, 1), (3, 5, 400, 0), (33, 0, 700, 1), (0, 33, 1000, 0)]
    path = folder / "Test/0/00001.bin"
    path.write_bytes(standins.n_mnist_file(*zip(*events, strict=True)))
    data = n_mnist(folder, steps=3)
    x = data.test.x[:, 0]
    expected = torch.zeros(3, 2, 34, 34)
    expected[0, 0, 5, 3] = 2  # two ON events, row 5, column 3
    expected[1, 1, 5, 3] = 1
    expected[2, 0, 0, 33] = 1  # tonic's last step ends before the last event
    assert x.dtype == torch.uint8 and torch.equal(x.float(), expected)


def test_the_published_split(source):
    data = n_mnist(source)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [127, 13, 30]
    assert data.test.labels.bincount().tolist() == [3] * 10 and data.train.x.shape[0] == 9
    assert data.name == "events" and "published test set" in data.note
    # of the bars, which are further down for a larger digit
    for part in (data.train, data.valid, data.test):
        rows = part.x.float().sum((0, 2, 4)).argmax(1)
        assert (((rows - 7) / 2).round() - part.labels).abs().max() <= 1


def test_folds_are_disjoint_cover_all_and_are_balanced(source):
    contents = []
    for fold in range(5):
        data = n_mnist(source, fold=fold, folds=5)
        assert [len(part) for part in (data.train, data.valid, data.test)] == [123, 13, 34]
        counts = data.test.labels.bincount(minlength=10)
        assert counts.min() >= 3 and counts.max() <= 4
        parts = [
            {x.numpy().tobytes() for x in part.x.transpose(0, 1)}
            for part in (data.train, data.valid, data.test)
        ]
        assert len(set.union(*parts)) == sum(map(len, parts)) == 170
        contents.append(parts[2])
    assert len(set.union(*contents)) == 170


def test_labelled_recordings_are_balanced_and_leave_the_test_alone(source):
    a, b, c = (n_mnist(source, fold=1, folds=5, labelled=50, seed=seed).train for seed in (0, 0, 1))
    assert a.labels.bincount().tolist() == [5] * 10
    assert torch.equal(a.x, b.x) and not torch.equal(a.x, c.x)
    many, few = (n_mnist(source, fold=1, folds=5, labelled=n, seed=n) for n in (123, 20))
    assert torch.equal(many.test.x, few.test.x) and torch.equal(many.valid.x, few.valid.x)


def test_a_smaller_frame_has_the_same_events_and_denoising_drops_lonely_ones(folder):
    camera, half = (load_frames(folder, size=size) for size in (None, 17))
    assert half.shape[-1] == 17
    blocks = camera.float().unflatten(-1, (17, 2)).unflatten(-3, (17, 2)).sum((-1, -3))
    assert torch.equal(half.float(), blocks)
    path = folder / "Test/0/00001.bin"
    lonely = [(5, 5, 20_000, 1), (20, 20, 50_000, 0), (5, 6, 99_000, 1), (30, 30, 200_000, 1)]
    near = [(6, 5, 21_000, 1), (6, 6, 100_000, 1), (20, 21, 59_000, 0), (30, 31, 209_999, 1)]
    events = sorted(lonely + near, key=lambda event: event[2])
    path.write_bytes(standins.n_mnist_file(*zip(*events, strict=True)))
    left = load_frames(folder, denoise_ms=10.0)[:, 0].sum(0)
    # The second of each pair; but tonic's last step ends before the last event
    assert left.sum() == 3 and left[0, 5, 6] == left[1, 21, 20] == left[0, 6, 6] == 1


def load_frames(folder, **settings):
    return n_mnist(folder, **settings).test.x


def test_the_second_call_reads_no_file(folder, monkeypatch):
    before = n_mnist(folder)
    monkeypatch.setattr("snnlab.data.datasets.event_camera.read_frames", None)
    assert torch.equal(n_mnist(folder).train.x, before.train.x)
    n_mnist(folder, fold=2, folds=3)  # nor for another split


def test_the_registry_and_what_systems_leave(source, folder, litter):
    litter(folder)
    assert find(str(folder), "events")[0].name == "n-mnist"
    data = load_dataset(folder, fold=0, folds=5, labelled=100, seed=0)
    assert data.train.x.shape == (9, 100, 2, 34, 34) and data.classes == tuple("0123456789")
    assert data.source["preprocessing"]["folds"] == 5 and data.source["batch"][1] == "B"


def test_numbers_that_are_refused(source):
    refused(lambda: n_mnist(source, fold=5, folds=5), "fold = 5: expected .* from 0 to 4")
    refused(lambda: n_mnist(source, fold=-1, folds=5), "fold = -1")
    refused(lambda: n_mnist(source, folds=171), "folds = 171: expected 2 to 170")
    refused(lambda: n_mnist(source, folds=1), "folds = 1: expected 2 to 170, the number")
    refused(
        lambda: n_mnist(source, folds=100),
        "the part for test has no sample of the class .; .*split",
    )
    refused(lambda: n_mnist(source, fold=3), "fold = 3 without a number of folds")
    refused(lambda: n_mnist(source, labelled=9), "labelled is 9; 10 to 127")
    refused(lambda: n_mnist(source, labelled=128), "labelled is 128; 10 to 127")
    refused(lambda: n_mnist(source, steps=0), "steps = 0")
    refused(lambda: n_mnist(source, size=35), "size = 35: .* from 1 to 34")
    refused(lambda: n_mnist(source, denoise_ms=-1.0), "denoise_ms is -1.0")
    refused(lambda: n_mnist(source, denoise_ms="a"), "denoise_ms is a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"folds": "5"},
        {"folds": 2.5},
        {"folds": True},
        {"fold": 0.5, "folds": 5},
        {"labelled": 10.5},
        {"labelled": "x"},
        {"size": 17.5},
        {"seed": "a"},
        {"steps": 2.0},
    ],
)
def test_what_is_no_whole_number_is_refused(source, wrong):
    name, value = next(iter(wrong.items()))
    refused(lambda: n_mnist(source, **wrong), f"{name} = {value!r}: ")


def test_numbers_of_numpy_and_no_folds_in_two_ways(source):
    ours = n_mnist(source, fold=1, folds=5, size=17, labelled=50, denoise_ms=10)
    theirs = n_mnist(
        source,
        fold=np.int64(1),
        folds=np.int64(5),
        size=np.int64(17),
        labelled=np.int64(50),
        denoise_ms=np.float32(10),
    )
    assert torch.equal(ours.train.x, theirs.train.x)
    assert json.dumps(ours.source) == json.dumps(theirs.source)
    assert torch.equal(n_mnist(source, folds=0).test.x, n_mnist(source).test.x)


def test_a_file_that_the_system_does_not_give_is_not_remembered_as_bad(folder, monkeypatch):
    path = folder / "Train/7/00008.bin"
    with monkeypatch.context() as patch:
        deny(patch, path)
        words = (
            "1 of 170 recordings are bad and left out:\n.*00008.bin cannot be read now .Permission"
        )
        with pytest.warns(UserWarning, match=words):
            assert len(n_mnist(folder).train) in (126, 127)  # or it is of validation
    assert len(n_mnist(folder).train) == 127  # no warning, which would be an error


def test_too_little_memory_is_no_fault_of_a_file(folder, monkeypatch):
    words = "memory of this machine .* choose f"
    with pytest.raises(SnnlabError, match=words):
        n_mnist(folder, steps=10**12)
    with monkeypatch.context() as patch, pytest.raises(SnnlabError, match=words):
        patch.setattr("snnlab.data.io.camera_events._decode", lambda *_: exhaust())
        n_mnist(folder)
    assert len(n_mnist(folder).train) == 127


def exhaust():
    raise MemoryError


def deny(patch, path):
    """Let the system refuse to open a file, as for lack of permission."""
    before = builtins.open, io.open

    def opening(file, *args, **kwargs):
        if str(file) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return before[0](file, *args, **kwargs)

    patch.setattr("builtins.open", opening)
    patch.setattr("io.open", opening)


BAD = {
    "length": (b"\1\1\x80\0\0\1", "has 6 bytes; a multiple of 5"),
    "empty": (b"", "holds no event"),
    "column": (standins.n_mnist_file([34], [3], [0], [1]), "events in columns 34 to 34"),
    "row": (standins.n_mnist_file([3, 3], [3, 200], [0, 1], [1, 0]), "rows 3 to 200"),
}


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_file_is_left_out_and_named(folder, bad):
    content, words = BAD[bad]
    good = n_mnist(folder, fold=0, folds=5)
    path = folder / "Train/7/00008.bin"
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=f"1 of 170 recordings are bad and left out:\n.*{words}"):
        data = n_mnist(folder, fold=0, folds=5)
    assert str(path) in data.note and "1 bad recording" in data.note
    before, after = (sum(map(len, (d.train, d.valid, d.test))) for d in (good, data))
    assert after == before - 1
    with pytest.warns(UserWarning, match=words):  # also of a call that reads no file
        n_mnist(folder, fold=0, folds=5)


def test_too_many_bad_files_are_refused(folder):
    for name in ("00001", "00011"):
        (folder / f"Train/0/{name}.bin").write_bytes(b"")
    message = refused(lambda: n_mnist(folder), "2 of 170 recordings are bad; at most one in 100")
    assert "00001.bin" in message and "00011.bin" in message


def test_a_missing_package_is_no_fault_of_the_files(folder, monkeypatch):
    def refuse(name, purpose, extra=None):
        raise SnnlabError(f"{name}, which {purpose}, cannot be imported; it was expected.")

    with monkeypatch.context() as patch:
        patch.setattr("snnlab.data.io.camera_events.import_optional", refuse)
        message = refused(lambda: n_mnist(folder), "cannot be imported")
    assert "bad" not in message
    assert len(n_mnist(folder).test) == 30  # once it is there, no answer of before is kept


def test_a_missing_digit_is_refused(folder):
    shutil.rmtree(folder / "Train/7")
    refused(lambda: n_mnist(folder), "the part for training has no sample of the class 7")
    shutil.rmtree(folder / "Test/7")
    refused(lambda: n_mnist(folder, folds=5), "no sample of the class 7")


def test_other_layouts_are_refused(folder, tmp_path):
    refused(lambda: n_mnist(tmp_path / "none"), r"holds no file \*.bin in Train/ or Test/")
    shutil.rmtree(folder / "Test")
    refused(lambda: n_mnist(folder), "no published split .* Give folds")
    assert len(n_mnist(folder, folds=4).test) == 35
    (folder / "Train/0").rename(folder / "Train/zero")
    refused(lambda: n_mnist(folder, folds=4), "is of a class zero; 0, 1, 2")


def scattered(n=300, width=128, height=128, seed=0):
    """Columns, rows, rising times and signs of n events."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, width, n), rng.integers(0, height, n)
    return x, y, np.sort(rng.integers(0, 90_000, n)), rng.integers(0, 2, n)


def counted(x, y, t, p, shape):
    """The events of all but the last moment, which tonic's last step leaves out: ON, OFF."""
    inside = t < t[0] + (t[-1] - t[0]) // 9 * 9
    frame = np.zeros((2, *shape), int)
    np.add.at(frame, (1 - p[inside], y[inside], x[inside]), 1)
    return frame


def test_gestures_as_arrays(tmp_path):
    for part, users in (("ibmGestureTrain", 12), ("ibmGestureTest", 2)):
        for user in range(users):
            folder = tmp_path / part / f"user{user:02}_led"
            folder.mkdir(parents=True)
            for label in range(11):
                x, y, t, p = scattered(seed=100 * user + label)
                np.save(folder / f"{label}.npy", np.stack([x, y, p, t], 1).astype(float))
    assert find(str(tmp_path), "events")[0].name == "dvs-gesture"
    data = load_dataset(tmp_path, size=32)
    assert len(data.test) == 22 and data.test.x.shape[2:] == (2, 32, 32)
    assert data.classes[7] == "arm roll"
    x, y, t, p = scattered(seed=7)
    expected = counted(x // 4, y // 4, t, p, (32, 32))
    for fold in range(2):
        halves = load_dataset(tmp_path, size=32, fold=fold, folds=2)
        # 12 people, two of whom are in both published parts and have 22 recordings
        assert [len(part) for part in (halves.train, halves.valid, halves.test)] == [66, 11, 77]
        assert f"; test: the 6 people of fold {fold} of 2; validation: 1 of 6" in halves.note
    with pytest.raises(SnnlabError, match="folds = 13: expected 2 to 12, the number of people in"):
        load_dataset(tmp_path, size=32, folds=13)
    first_of_seven = int((data.test.labels == 7).nonzero()[0])
    np.testing.assert_array_equal(data.test.x[:, first_of_seven].sum(0), expected)


def test_poker_cards_as_arrays(tmp_path):
    for part, n in (("pips_train", 12), ("pips_test", 5)):
        for name in ("cl", "he", "di", "sp"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(n):
                x, y, t, p = scattered(width=35, height=35, seed=i)
                np.save(tmp_path / part / name / f"{i}.npy", np.stack([t, x, y, p], 1))
    data = load_dataset(tmp_path)
    assert data.preprocessing["size"] == 35 and data.test.labels.tolist() == [
        *([0] * 5 + [2] * 5 + [1] * 5 + [3] * 5)
    ]
    expected = counted(*scattered(width=35, height=35, seed=2), (35, 35))
    np.testing.assert_array_equal(data.test.x[:, 2].sum(0), expected)
    (tmp_path / "pips_test/cl/0.npy").write_bytes(b"no array")
    refused(lambda: load_dataset(tmp_path), "1 of 68 recordings are bad(.|\n)*cannot be read")


def test_recordings_of_several_sizes_are_centred_in_a_square(tmp_path):
    sizes = [(100, 60), (240, 180), (200, 170), (61, 180)]
    for name in ("airplanes", "yin_yang"):
        folder = tmp_path / "Caltech101" / name
        folder.mkdir(parents=True)
        for i in range(12):
            width, height = sizes[i % 4]
            x, y, t, p = scattered(width=width, height=height, seed=i)
            x[:2], y[:2], t[:2] = (0, width - 1), (0, height - 1), 0
            (folder / f"image_{i:04}.bin").write_bytes(standins.n_mnist_file(x, y, t, p))
    assert find(str(tmp_path), "events")[0].name == "n-caltech101"
    data = load_dataset(tmp_path, folds=3)
    assert data.classes == ("airplanes", "yin_yang") and data.test.x.shape[2:] == (2, 180, 180)
    all_of = torch.cat([part.x for part in (data.train, data.valid, data.test)], 1).float()
    lit = all_of.sum((0, 2)) > 0  # (n, 180, 180)
    small = [one for one in lit if one.any(0).sum() <= 100 and one.any(1).sum() <= 60]
    assert len(small) == 6
    for one in small:  # 100 x 60, in the middle: columns 40 to 139 and rows 60 to 119
        assert one[60, 40] and one[119, 139]
        assert not one[:, :40].any() and not one[:60].any()
    assert load_dataset(tmp_path, folds=3, size=60).test.x.shape[2:] == (2, 60, 60)
    refused(lambda: load_dataset(tmp_path), "no published split")


def test_recordings_of_cifar10_as_aedat4(tmp_path):
    """The one recording that the tests have, of every class."""
    pytest.importorskip("aedat")
    for name in CLASSES:
        (tmp_path / name).mkdir()
        for i in range(4):
            shutil.copy(RECORDING, tmp_path / name / f"{i}.aedat4")
    data = load_dataset(tmp_path, layout="cifar10-dvs-recordings", folds=2, size=64)
    assert data.classes == CLASSES and len(data.test) == 20
    assert data.test.x.shape[2:] == (2, 64, 64) and data.test.x.sum() > 0


def test_a_set_of_ones_own_needs_a_name_a_resolution_and_classes(tmp_path):
    digits = {"left": 0, "right": 1}
    for name, shift in digits.items():
        (tmp_path / name).mkdir()
        for i in range(12):
            x, y, t, p = scattered(width=10, height=20, seed=i)
            content = standins.n_mnist_file(x + 10 * shift, y, t, p)
            (tmp_path / name / f"{i}.bin").write_bytes(content)
    own = CameraSet("halves", "NMNIST", (20, 20), ("left", "right"))
    data = own.load(tmp_path, folds=4, steps=5)
    assert data.train.x.shape == (5, 16, 2, 20, 20) and data.classes == ("left", "right")
    right = data.test.x[..., 10:].sum((0, 2, 3, 4)) > 0
    assert torch.equal(right, data.test.labels.bool())


@pytest.mark.real
def test_the_thousand_and_one_hundred_recordings(real_nmnist):
    """All of them, as tonic's own class and frames have them."""
    from tonic.datasets import NMNIST
    from tonic.transforms import ToFrame

    # tonic looks for a folder named as the class, with the archive and 10,000 files in it
    whole = type(real_nmnist.name, (NMNIST,), {"_check_exists": lambda self: True})
    data = n_mnist(real_nmnist)
    frames = torch.cat([data.train.x, data.valid.x], 1)
    labels = torch.cat([data.train.labels, data.valid.labels])
    assert frames.shape[1] == 1000 and len(data.test) == 100
    assert (labels.bincount() + data.test.labels.bincount()).tolist() == [
        *(105, 130, 107, 104, 119, 99, 104, 132, 89, 111)
    ]
    framed = ToFrame(sensor_size=NMNIST.sensor_size, n_time_bins=9)
    for train, x, y in ((True, frames, labels), (False, data.test.x, data.test.labels)):
        theirs = whole(str(real_nmnist.parent), train=train, transform=framed)
        own = {
            (int(label), one.numpy().tobytes()) for one, label in zip(x.unbind(1), y, strict=True)
        }
        peer = [
            (label, frame[:, ::-1].astype(np.uint8).tobytes())
            for frame, label in (theirs[i] for i in range(len(theirs)))
        ]
        assert len(peer) == x.shape[1] and own == set(peer)
    events = torch.cat([frames, data.test.x], 1).sum((0, 2, 3, 4)).float()
    assert 4050 < events.mean() < 4200 and events.min() > 1000
