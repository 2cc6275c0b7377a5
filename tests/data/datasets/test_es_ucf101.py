"""ES-UCF101: which clips are for what, the same part of a clip as events and in colour, and every
refusal.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import standins
import torch
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.data.datasets.es_ucf101 import edges, events, frames
from snnlab.data.encoding.video_events import read_clip, write_clip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("es-ucf101")
    standins.es_ucf101(folder)
    return folder


@pytest.fixture
def empty(tmp_path):
    """Files with the names of clips, which are not opened before they are needed."""

    def make(names):
        shutil.rmtree(tmp_path / "clips", ignore_errors=True)
        for name in names:
            (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "clips" / name).touch()
        return tmp_path / "clips"

    return make


def parts(data):
    return data.train, data.valid, data.test


def clips(part):
    return [Path(path).name.removesuffix(".npz") for path in part.samples]


def groups(part):
    return {int(name[-6:-4]) for name in clips(part)}


def test_no_group_is_in_two_parts(source):
    data = events(source / "events")
    assert [groups(part) for part in parts(data)] == [{11, 12, 13, 14, 25}, {8, 9, 10}, {1, 2, 7}]
    for part, n in zip(parts(data), (5, 3, 3), strict=True):
        assert part.classes == standins.ACTIONS and part.labels.bincount().tolist() == [n] * 3
        assert all(
            name.startswith(f"v_{part.classes[y]}_g")
            for name, y in zip(clips(part), part.labels, strict=True)
        )


@pytest.mark.parametrize("split", ["groups", "random"])
def test_the_parts_are_the_same_whatever_is_read(source, split):
    data = [
        kind(source / where, split=split)
        for kind, where in ((events, "events"), (edges, "events"), (frames, "frames"))
    ]
    for part in zip(*map(parts, data), strict=True):
        assert (
            clips(part[0]) == clips(part[1]) == clips(part[2])
            and len({one.classes for one in part}) == 1
        )
        assert torch.equal(part[0].labels, part[1].labels) and torch.equal(
            part[0].labels, part[2].labels
        )


def test_the_random_split_is_that_of_scikit_learn(empty):
    """A quarter of 160 clips for testing, drawn with the seed 42; the first numbers drawn are
    known.
    """
    names = [
        f"v_{action}_g{group:02}_c{i:02}.npz"
        for action in "AB"
        for group in range(1, 21)
        for i in range(1, 5)
    ]
    data = events(empty(names), split="random")
    order = np.random.RandomState(42).permutation(160)  # what its ShuffleSplit draws
    assert clips(data.test) == [names[i].removesuffix(".npz") for i in order[:40]]
    rest = {names[i].removesuffix(".npz") for i in order[40:]}
    assert {*clips(data.train), *clips(data.valid)} == rest and len(rest) == len(data.train) + len(
        data.valid
    ) == 120
    share = data.valid.labels.bincount() / (
        data.train.labels.bincount() + data.valid.labels.bincount()
    )
    assert ((share - 0.1).abs() < 0.01).all()
    assert groups(data.train) & groups(data.test)  # which is what is wrong with it


def test_events_are_the_first_steps(source):
    x, y = events(source / "events", steps=4).test.batch(torch.tensor([0, 8]))
    assert x.shape == (4, 2, 2, 48, 64) and x.dtype == torch.float32 and y.tolist() == [0, 2]
    for i, name in enumerate(("v_Archery_g01_c01", "v_YoYo_g07_c01")):
        clip = read_clip(source / "events" / f"{name}.npz")
        assert len(clip) == 30 and torch.equal(x[:, i], clip[:4].float())
    e, y = edges(source / "events", steps=4).test.batch(torch.tensor([0, 8]))
    assert (
        e.shape == (4, 2, 1, 48, 64) and e.unique().tolist() == [-1, 0, 1] and y.tolist() == [0, 2]
    )
    assert torch.equal(e[:, :, 0], x[:, :, 0] - x[:, :, 1])


def test_the_frames_show_what_the_events_are_of(tmp_path):
    """A clip of 91 frames gives 31, every third; the events of step t lead from the frame 3 t to 3
    t + 3.
    """
    for group in (1, 8, 11):
        clip = tmp_path / f"frames/v_A_g{group:02}_c01"
        clip.mkdir(parents=True)
        for i in range(91):
            picture = Image.new("RGB", (8, 6), (2 * i, 100, 7))
            picture.putpixel((1, 4), (0, 0, 255))
            picture.save(clip / f"frame{i + 1:06}.png")
    x, y = frames(tmp_path, steps=15).test.batch(torch.tensor([0]))
    assert x.shape == (15, 1, 3, 6, 8) and x.dtype == torch.float32 and y.tolist() == [0]
    for t in range(15):
        expected = (torch.tensor([2 * (3 * t + 3), 100, 7]) / 255)[:, None, None].repeat(1, 6, 8)
        expected[:, 4, 1] = torch.tensor([0, 0, 1])
        torch.testing.assert_close(x[t, 0], expected)
    seeded = next(
        frames(tmp_path, steps=15).train.batches(1, generator=torch.Generator().manual_seed(0))
    )[0]
    assert torch.equal(seeded, x)  # nothing is augmented


def test_frames_and_events_of_a_clip_go_together(source):
    """Where the brightness of the stand-in's bar grows from one frame to the next, there are the ON
    events.
    """
    x = frames(source / "frames", steps=6).train.batch(torch.tensor([3]))[0][:, 0].mean(1)
    on = events(source / "events", steps=6).train.batch(torch.tensor([3]))[0][:, 0, 0].bool()
    for t in range(1, 6):
        assert (x[t] - x[t - 1])[on[t]].mean() > 0.05 + (x[t] - x[t - 1])[~on[t]].mean()


def test_the_classes_can_be_told_apart(source):
    x, y = next(events(source / "events").train.batches(15))
    assert torch.equal(x.sum((0, 2, 4)).argmax(1) * 3 // 48, y)


def test_what_systems_leave_in_folders_is_no_clip(empty, litter):
    names = [f"v_{name}_g{group:02d}_c01" for name in "AB" for group in (1, 8, 11)]
    folder = empty([f"{name}.npz" for name in names])
    litter(folder)
    assert sorted(clip for part in parts(events(folder)) for clip in clips(part)) == sorted(names)
    folder = empty([f"{name}/frame000001.jpg" for name in names])
    litter(folder)
    assert sorted(clip for part in parts(frames(folder)) for clip in clips(part)) == sorted(names)


def test_clips_may_lie_in_folders(source, tmp_path):
    for file in (source / "events").glob("*.npz"):
        below = tmp_path / file.name.split("_")[1]
        below.mkdir(exist_ok=True)
        shutil.copy(file, below / file.name)
    (tmp_path / "left-out.csv").touch()
    (tmp_path / ".v_half_written.npz").touch()
    assert clips(events(tmp_path).train) == clips(events(source / "events").train)
    shutil.copytree(source / "frames", tmp_path / "frames/jpegs_256")
    assert clips(frames(tmp_path / "frames").train) == clips(events(source / "events").train)


def refused(call, words):
    with pytest.raises(SnnlabError, match=words) as caught:
        call()
    message = str(caught.value)
    assert ("expected" in message or "valid names" in message) and "\n" not in message


ALL = [f"v_{action}_g{group:02}_c01.npz" for action in ("A", "B") for group in (1, 2, 8, 9, 11, 12)]


def test_folders_that_are_refused(empty, tmp_path):
    refused(
        lambda: events(tmp_path / "nowhere"),
        "nowhere holds no clip; several <clip>.npz were expected",
    )
    refused(
        lambda: frames(tmp_path / "nowhere"),
        "nowhere holds no clip; several <clip>/frame000001.jpg were expected",
    )
    refused(
        lambda: events(empty(["v_A_g01_c01.npz"]), split="random"), "clips holds 1 clip; several"
    )
    for name in ("clip.npz", "v_A_c01.npz", "v_A_g01_c01_events.npz"):
        refused(
            lambda name=name: events(empty([*ALL, name])),
            f"clips/{name}: a name such as v_Archery_g01_c01 was expected",
        )
    refused(
        lambda: events(empty([*ALL, "more/" + ALL[0]])),
        f"{ALL[0]} and .*{ALL[0]} are the same clip; it was expected once",
    )
    for group, words in ((1, "groups 1 to 7"), (8, "groups 8 to 10"), (11, "groups from 11")):
        some = [
            name
            for name in ALL
            if not name.startswith((f"v_B_g{group:02}", f"v_B_g{group + 1:02}"))
        ]
        refused(
            lambda some=some: edges(empty(some)),
            f"the part of {words} has no sample of the class B",
        )
    odd = [f"v_A_g{i:02}_c01.npz" for i in range(1, 12)] + ["v_B_g01_c01.npz"]
    refused(
        lambda: events(empty(odd), split="random"),
        "the part for (training|testing) of the random split has no sample",
    )
    refused(
        lambda: frames(empty(["film/frame000001.jpg"])),
        "film: a name such as v_Archery_g01_c01 was expected",
    )


def test_settings_that_are_refused(empty):
    folder = empty(ALL)
    for steps in (0, 31):
        refused(
            lambda steps=steps: events(folder, steps=steps),
            f"steps = {steps}: expected a whole number from 1 to 30",
        )
    refused(
        lambda: edges(folder, split="group"),
        "There is no split called 'group' .did you mean groups",
    )
    refused(lambda: events(folder, loaders=-1), "loaders = -1")


@pytest.fixture
def same_loaders():
    """Loader processes take seconds to start, and those of one error read what follows, too."""
    with persistent_workers():
        yield


@pytest.mark.usefixtures("same_loaders")
@pytest.mark.parametrize("loaders", [0, 2])
def test_one_bad_clip_is_named(source, tmp_path, loaders):
    folder = shutil.copytree(source, tmp_path / "copy")
    file = folder / "events/v_Biking_g02_c01.npz"
    tests = [kind(folder / "events", loaders=loaders).test for kind in (events, edges)]
    coloured = frames(folder / "frames", loaders=loaders).test
    assert next(coloured.batches(2))[0].shape == (15, 2, 3, 48, 64)
    write_clip(file, read_clip(file)[:14])
    for test in tests:
        refused(
            lambda test=test: list(test.batches(2)),
            "g02_c01.npz has 14 steps; at least 15 were expected",
        )
    file.write_bytes(b"no")
    refused(lambda: list(tests[0].batches(2)), "v_Biking_g02_c01.npz cannot be read")
    clip = folder / "frames/v_Biking_g02_c01"
    (clip / "frame000005.jpg").write_bytes(b"no")
    refused(
        lambda: list(coloured.batches(2)),
        "v_Biking_g02_c01/frame000005.jpg cannot be read as an image",
    )
    (clip / "frame000005.jpg").unlink()
    refused(lambda: list(coloured.batches(2)), "v_Biking_g02_c01: frame 5 is missing")
    shutil.rmtree(clip)
    clip.mkdir()
    refused(lambda: list(coloured.batches(2)), "v_Biking_g02_c01 holds no frame")


def test_clips_of_two_sizes_are_named(source, tmp_path):
    folder = shutil.copytree(source / "events", tmp_path / "copy")
    file = folder / "v_Biking_g02_c01.npz"
    write_clip(file, read_clip(file)[..., :60])
    refused(
        lambda: list(events(folder).test.batches(9)),
        r"g02_c01.npz gives \(15, 2, 48, 60\), .*g01_c01.npz \(15, 2, 48, 64\)",
    )
