"""SHD's layout: what is written is read, by us and by the peers; what is damaged is refused in one
sentence."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import h5py
import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.io.events import read_channels, read_events, read_meta, write_events


@pytest.fixture
def path(tmp_path, make):
    path = tmp_path / "train.h5"
    write_events(path, make([0, 1, 1], [4, 5, 5]), {"note": "spoken by nobody: ü"})
    return path


def same(left, right):
    for name in ("times", "units", "offsets", "labels", "speakers"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    assert left.keys == right.keys


def test_what_is_written_is_read(path, make):
    events = read_events(path)
    same(events, make([0, 1, 1], [4, 5, 5]))
    assert (events.times.dtype, events.units.dtype) == (np.float32, np.uint16)
    assert read_meta(path) == {"note": "spoken by nobody: ü"}


@pytest.mark.parametrize("n", [1, 5000])  # one recording; more than are read at once
def test_any_number_of_recordings(tmp_path, make, n):
    events = make(np.arange(n) % 2, most=3, keys=("null", "fünf"))
    write_events(tmp_path / "x.h5", events)
    same(read_events(tmp_path / "x.h5"), events)


def test_recordings_of_equal_length(tmp_path, make):
    events = make([0, 0, 0], most=1)
    write_events(tmp_path / "x.h5", events)
    same(read_events(tmp_path / "x.h5"), events)


def test_the_types_on_disk_are_those_of_shd(path):
    with h5py.File(path) as file:
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float16
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == np.uint16
        assert file["labels"].dtype == file["extra/speaker"].dtype == np.uint16
        assert file["extra/keys"][1] == b"word 1"


def test_speakers_and_names_are_optional_and_channels_of_any_number(tmp_path, make):
    """N-MNIST's 2,312 channels, said or not; where nothing is said, at least the cochlea's."""
    events = replace(make([0, 1, 2]), speakers=None, keys=(), channels=2312)
    events = replace(events, units=events.units + np.uint16(1600))
    write_events(tmp_path / "x.h5", events)
    assert read_channels(tmp_path / "x.h5") == 2312
    for channels in (2312, int(events.units.max()) + 1):
        read = read_events(tmp_path / "x.h5")
        assert (read.speakers, read.keys, read.channels) == (None, (), channels)
        np.testing.assert_array_equal(read.units, events.units)
        with h5py.File(tmp_path / "x.h5", "a") as file:
            if "channels" in file["extra"]:
                del file["extra/channels"]
    write_events(tmp_path / "y.h5", make([0, 1], most=2))
    assert (
        read_channels(tmp_path / "y.h5") is None and read_events(tmp_path / "y.h5").channels == 700
    )


def test_a_file_of_another_writer(tmp_path):
    """float64 times, signed channels, text keys: SHD's layout, not our types."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        times = np.empty(2, dtype=object)
        times[:] = [np.array([0.1, 0.1, 0.25]), np.array([0.5])]
        units = np.empty(2, dtype=object)
        units[:] = [np.array([0, 699, 3]), np.array([7])]
        file.create_dataset("spikes/times", data=times, dtype=h5py.vlen_dtype(np.float64))
        file.create_dataset("spikes/units", data=units, dtype=h5py.vlen_dtype(np.int32))
        file["labels"] = np.array([1, 0], dtype=np.int64)
        file["extra/speaker"] = np.array([3, 3], dtype=np.int8)
        file.create_dataset("extra/keys", data=["no", "yes"], dtype=h5py.string_dtype())
    events = read_events(tmp_path / "x.h5")
    np.testing.assert_array_equal(events.units, [0, 699, 3, 7])
    np.testing.assert_allclose(events.times, [0.1, 0.1, 0.25, 0.5], rtol=1e-6)
    assert (
        events.keys == ("no", "yes")
        and list(events.labels) == [1, 0]
        and read_meta(tmp_path / "x.h5") == {}
    )


def row(name, index, value):
    def damage(file):
        dtype = h5py.check_vlen_dtype(file[name].dtype)
        file[name][index] = np.asarray(value, dtype=dtype)

    return damage


def removed(name):
    def damage(file):
        del file[name]

    return damage


def added(name, value):
    return lambda file: file.create_dataset(name, data=value)


def replaced(name, value, **kwargs):
    def damage(file):
        del file[name]
        file.create_dataset(name, data=value, **kwargs)

    return damage


ONE = ([0.1], [5])  # times and units of a recording of one spike


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ([removed("spikes")], "spikes/times is missing"),
        ([removed("spikes/units")], "spikes/units is missing"),
        ([removed("labels")], "labels is missing"),
        ([added("extra/channels", 300)], r"has the channel \d+ at spike \d+; 0 to 299 was"),
        ([added("extra/channels", 0.5)], "extra/channels is 0.5; a whole number from 1"),
        ([replaced("labels", np.array([0, 1]))], "labels has 2 entries for 3 recordings"),
        (
            [replaced("extra/speaker", np.array([0, 1, 2, 3]))],
            "extra/speaker has 4 entries for 3 recordings",
        ),
        (
            [replaced("labels", np.array([0, 1, 2]))],
            r"labels of recording 2 is 2; 0 to 1, an index",
        ),
        ([replaced("labels", np.array([0, -1, 1]))], "labels of recording 1 is -1"),
        (
            [replaced("labels", np.array([0.0, 1.0, 1.0]))],
            "labels is of type float64.*one integer a recording",
        ),
        (
            [replaced("spikes/times", np.zeros((3, 4)))],
            r"spikes/times is of type float64, shape \(3, 4\); one row",
        ),
        (
            [replaced("spikes/units", None, shape=(2,), dtype=h5py.vlen_dtype(np.uint16))],
            "has 3 recordings, spikes/units 2",
        ),
        (
            [row("spikes/units", 1, [1] * 99)],
            r"spikes/units of recording 1 has 99 units for \d+ times; one each",
        ),
        (
            [row("spikes/times", 2, []), row("spikes/units", 2, [])],
            "spikes/times of recording 2 is empty",
        ),
        (
            [row("spikes/times", 1, [0.2, 0.1]), row("spikes/units", 1, [1, 2])],
            "recording 1 goes back in time to 0.0999.*at spike 1",
        ),
        (
            [row("spikes/times", 1, [-0.5]), row("spikes/units", 1, [1])],
            "recording 1 has the negative time -0.5 at spike 0",
        ),
        (
            [row("spikes/times", 1, [0.1, np.nan]), row("spikes/units", 1, [1, 1])],
            "recording 1 has the time nan at spike 1; a finite",
        ),
        (
            [row("spikes/times", 1, [np.inf]), row("spikes/units", 1, [1])],
            "recording 1 has the time inf",
        ),
        (
            [row("spikes/times", 2, [740.0]), row("spikes/units", 2, [1])],
            "recording 2 has the time 740.0 .*divide by 1000 if these are ms",
        ),
        (
            [row("spikes/times", 1, [9.9, 10.1]), row("spikes/units", 1, [1, 2])],
            "recording 1 has the time 10.1.* at spike 1; at most 10 s, for times are seconds",
        ),
        (
            [replaced("extra/keys", np.array([b"f\xfcnf", b"x"]))],
            r"the name b'f\\xfcnf' in extra/keys is no UTF-8",
        ),
        (
            [replaced("extra/keys", np.array([b"one", b"one"]))],
            "extra/keys: the names 'one' and 'one' of a class look alike",
        ),
        (
            [replaced("extra/keys", np.array([b"one", b" "]))],
            "extra/keys: a class has an empty name",
        ),
        (
            [replaced("extra/keys", np.array([[b"one", b"two"]]))],
            r"extra/keys has the shape \(1, 2\); one name a class",
        ),
        (
            [
                added("extra/channels", 700),
                row("spikes/times", 0, ONE[0]),
                row("spikes/units", 0, [700]),
            ],
            "spikes/units of recording 0 has the channel 700 at spike 0; 0 to 699",
        ),
    ],
)
def test_damage_is_refused_in_one_sentence(path, damage, words):
    with h5py.File(path, "r+") as file:
        for step in damage:
            step(file)
    with pytest.raises(SnnlabError, match=words) as caught:
        read_events(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "expected" in message and "\n" not in message


@pytest.mark.parametrize("seconds", [0.2, 1.4, 9.5])
def test_a_recording_is_read_in_seconds_and_refused_in_any_smaller_unit(tmp_path, make, seconds):
    """Of words as short as 50 ms, and as long as any that is read: in ms or µs, the file is
    refused."""
    events = make([0, 1])
    words = replace(events, times=events.times * np.float32(seconds / 0.3))
    write_events(tmp_path / "x.h5", words)
    assert read_events(tmp_path / "x.h5").times.max() <= seconds
    for unit in (1e3, 1e6):
        with pytest.raises(SnnlabError, match="divide by 1000 if these are ms"):
            write_events(tmp_path / "x.h5", replace(words, times=words.times * np.float32(unit)))


def test_the_index_counts_from_the_start_of_the_file(tmp_path, make):
    events = make(np.zeros(5000, dtype=int), most=2)
    write_events(tmp_path / "x.h5", events)
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["spikes/times"][4900] = np.array([np.nan], dtype=np.float16)
        file["spikes/units"][4900] = np.array([1], dtype=np.uint16)
    with pytest.raises(SnnlabError, match="recording 4900 has the time nan"):
        read_events(tmp_path / "x.h5")


@pytest.mark.parametrize("kept", [0, 4, 100, 2000, -1])
def test_a_truncated_file(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        SnnlabError, match=r"cannot be read as HDF5.*a whole file in SHD's layout was expected"
    ):
        read_events(path)


def test_a_file_damaged_inside_never_reads_as_another(path):
    """Overwrite 64 bytes anywhere: it is refused, or reads the same, or is a checked list of
    spikes; never a crash."""
    whole = path.read_bytes()
    for start in range(0, len(whole), 256):
        path.write_bytes(whole[:start] + b"\xff" * 64 + whole[start + 64 :])
        try:
            events = read_events(path)
        except SnnlabError:
            continue
        assert (
            events.units.max() < 700
            and np.isfinite(events.times).all()
            and (np.diff(events.offsets) > 0).all()
        )


def test_other_files(tmp_path):
    with pytest.raises(SnnlabError, match="there is no such file"):
        read_events(tmp_path / "none.h5")
    with pytest.raises(SnnlabError, match="there is no such file"):
        read_events(tmp_path)
    (tmp_path / "text.h5").write_text("zero, one, two")
    with pytest.raises(SnnlabError, match=r"text.h5: cannot be read as HDF5"):
        read_events(tmp_path / "text.h5")


def test_nothing_wrong_is_written(tmp_path, make):
    events = make([0, 1])
    for bad, words in (
        (replace(events, times=-events.times), "negative time"),
        (replace(events, units=events.units + np.uint16(700)), "has the channel"),
        (replace(events, labels=np.array([0])), "labels has 1 entries for 2"),
        (replace(events, offsets=np.array([0, 0, len(events.times)])), "recording 0 is empty"),
        (replace(events, speakers=np.array([0, -3])), "extra/speaker of recording 1 is -3"),
    ):
        with pytest.raises(SnnlabError, match=words):
            write_events(tmp_path / "x.h5", bad)
    assert list(tmp_path.iterdir()) == []


def test_tonic_reads_it(tmp_path, make):
    from tonic.datasets import SHD, SSC

    events = make([0, 1, 1, 0], [3, 4, 3, 4])
    for name, split in (("SHD", "shd_train"), ("SSC", "ssc_train")):
        (tmp_path / name).mkdir()
        write_events(tmp_path / name / f"{split}.h5", events)
        # Tonic asks for the download, and does not look into it
        (tmp_path / name / f"{split}.h5.zip").touch()
    for peer in (SHD(str(tmp_path), train=True), SSC(str(tmp_path), split="train")):
        assert (
            len(peer) == 4
            and list(peer.classes) == [b"word 0", b"word 1"]
            and list(peer._speaker) == [3, 4, 3, 4]
        )
        for i in range(4):
            spikes, label = peer[i]
            part = slice(events.offsets[i], events.offsets[i + 1])
            assert label == events.labels[i]
            np.testing.assert_array_equal(spikes["x"], events.units[part])
            # Whole microseconds
            np.testing.assert_allclose(spikes["t"], events.times[part] * 1e6, atol=1)


def test_spikingjelly_reads_it(tmp_path, make):
    events = make([0, 1, 1, 0], [3, 4, 3, 4])
    folder = tmp_path / "events_h5"
    folder.mkdir()
    for split in ("train", "test"):
        write_events(folder / f"shd_{split}.h5", events)
    np.savez(
        tmp_path / "expected.npz", times=events.times, units=events.units, offsets=events.offsets
    )
    # its data sets import torchvision and torchaudio, which only start beside a torch of the same
    # build
    script = """
        import sys, types
        import numpy as np

        class Anything(types.ModuleType):
            __path__ = []
            def __getattr__(self, name):
                if name.startswith("__"):
                    raise AttributeError(name)
                return type(name, (), {})

        class Finder:
            def find_spec(self, name, path=None, target=None):
                import importlib.machinery
                if name.split(".")[0] in ("torchvision", "torchaudio"):
                    return importlib.machinery.ModuleSpec(name, self, is_package=True)
            def create_module(self, spec):
                return Anything(spec.name)
            def exec_module(self, module):
                pass

        sys.meta_path.insert(0, Finder())
        from spikingjelly.datasets.shd import SpikingHeidelbergDigits

        root = sys.argv[1]
        peer = SpikingHeidelbergDigits(root, train=True, data_type="event")
        expected = np.load(root + "/expected.npz")
        assert len(peer) == 4
        for i in range(4):
            spikes, label = peer[i]
            part = slice(*expected["offsets"][i : i + 2])
            assert label == [0, 1, 1, 0][i]
            np.testing.assert_array_equal(np.asarray(spikes["x"]), expected["units"][part])
            times = expected["times"][part]
            np.testing.assert_allclose(np.asarray(spikes["t"], np.float32), times, atol=1e-3)
        print("read", len(peer))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip().endswith("read 4"), done.stderr[-2000:]
