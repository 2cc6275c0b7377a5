"""Events of videos: both modes beside the published rule, the files, and a batch that goes on."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from killing import kill_while_writing_the_third
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.data.encoding.video_events import convert_videos, read_clip, video_events, write_clip
from snnlab.data.io.video import sample_frames


def noise(n=31, height=40, width=50, seed=0):
    """Smooth noise that drifts, so that most differences are small and few are equal to a
    threshold."""
    rng = np.random.default_rng(seed)
    frames = 128 + np.cumsum(rng.normal(0, 9, (n, height, width)), 0)
    return frames.clip(0, 255).astype(np.uint8)


def by_rule(frames, ratio):
    """The published rule in floats from 0 to 1: (T, 2, H, W)."""
    difference = np.diff(frames.astype(np.float64), axis=0)
    off, on = np.percentile(difference, [50 * ratio, 100 - 50 * ratio])
    return np.stack([difference > on, difference < off], 1)


def some(call):
    """What a clip gives, or None where it has no event."""
    try:
        return call()
    except SnnlabError:
        return None


@pytest.mark.parametrize("ratio", [0.02, 0.15, 0.5])
def test_mode_1_is_the_published_rule(ratio):
    frames = noise()
    events = video_events(frames, ratio=ratio)
    assert events.shape == (30, 2, 40, 50) and events.dtype == torch.uint8
    np.testing.assert_array_equal(events, by_rule(frames, ratio))


@settings(deadline=None)
@given(
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=5)),
    st.integers(1, 99),
)
def test_mode_1_of_any_clip(frames, percent):
    events, expected = (
        some(lambda: video_events(frames, ratio=percent / 100)),
        by_rule(frames, percent / 100),
    )
    np.testing.assert_array_equal(np.zeros_like(expected) if events is None else events, expected)


def test_the_part_of_events_is_the_one_asked_for():
    """Exactly where no two differences are equal; never more, whatever the clip."""
    rng = np.random.default_rng(0)
    steps = rng.permutation(np.arange(-127, 128))[:240].reshape(1, 12, 20)  # 240 different numbers
    frames = np.concatenate([np.full((1, 12, 20), 127), 127 + steps]).astype(np.uint8)
    for ratio in (0.1, 0.15, 0.5):
        events = video_events(frames, ratio=ratio)
        assert int(events.sum()) == round(ratio * 240)
        assert int(events[:, 0].sum()) == int(events[:, 1].sum())
    clip = noise()
    for ratio in (0.05, 0.15, 0.3):
        part = video_events(clip, ratio=ratio).float().mean().item() * 2  # two channels
        assert 0.75 * ratio < part <= ratio


def test_brighter_is_on_and_darker_is_off():
    frames = np.full((3, 10, 10), 100, np.uint8)
    frames[1:, 2, 3] = 200
    frames[2, 4, 5] = 50
    events = video_events(frames, ratio=0.005)  # fewer than one pixel in a hundred changes
    assert events.nonzero().tolist() == [[0, 0, 2, 3], [1, 1, 4, 5]]


def test_mode_2_has_noisy_thresholds_of_the_published_size(monkeypatch):
    frames = noise()
    difference = np.diff(frames.astype(float), axis=0)
    off, on = np.percentile(difference, [7.5, 92.5])
    draws = np.random.default_rng(5).standard_normal((30, 2, 40, 50), dtype=np.float32) * 0.03
    expected = np.stack(
        [
            difference / 255 > np.maximum(on / 255 + draws[:, 0], 0.01),
            difference / 255 < np.minimum(off / 255 + draws[:, 1], -0.01),
        ],
        1,
    )
    # Float32 beside float64
    assert (np.asarray(video_events(frames, mode=2, seed=5)) != expected).mean() < 1e-5


def test_mode_2_is_another_and_the_same_for_a_seed():
    frames = noise()
    plain, first, same, other = (
        video_events(frames, mode=mode, seed=seed)
        for mode, seed in ((1, 0), (2, 0), (2, 0), (2, 1))
    )
    assert (
        torch.equal(first, same) and not torch.equal(first, other) and not torch.equal(first, plain)
    )
    assert torch.equal(plain, video_events(frames, mode=1, seed=1))
    quiet = np.full((5, 20, 20), 90, np.uint8)
    quiet[2:] += 2  # 2 of 255 is below 0.01, so that no noise makes it an event
    quiet[:, 0, 0] = [0, 250, 0, 250, 0]
    assert not video_events(quiet, mode=2)[:, :, 1:].any()


def test_frames_are_left_as_they_are_and_need_not_be_contiguous():
    frames = noise()
    before = frames.copy()
    turned = np.asfortranarray(frames)
    assert torch.equal(video_events(turned), video_events(frames))
    np.testing.assert_array_equal(frames, before)


def test_a_clip_comes_back_in_the_published_form(tmp_path):
    events = video_events(noise())
    write_clip(tmp_path / "a.npz", events)
    with np.load(tmp_path / "a.npz") as stored:
        assert stored.files == ["arr_0"]
        array = stored["arr_0"]
    assert array.dtype == np.uint8 and array.shape == (2, 30, 40, 50)
    np.testing.assert_array_equal(array, events.transpose(0, 1))
    read = read_clip(tmp_path / "a.npz")
    assert torch.equal(read, events) and read.is_contiguous()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            np.ones((2, 5, 6), np.uint8),
            r"the clip is uint8 \(2, 5, 6\); uint8 with the channels ON and OFF",
        ),
        (np.ones((3, 5, 6, 6), np.uint8), r"the clip is uint8 \(3, 5, 6, 6\)"),
        (np.ones((2, 5, 6, 0), np.uint8), r"the clip is uint8 \(2, 5, 6, 0\)"),
        (np.ones((2, 5, 6, 6), np.float32), "the clip is float32"),
        (
            np.full((2, 5, 6, 6), 255, np.uint8),
            "the clip has values up to 255; 0 and, where there is an event, 1 were expected",
        ),
        (np.zeros((2, 5, 6, 6), np.uint8), "the clip holds no event; 0 and, where"),
    ],
)
def test_clips_that_are_refused(tmp_path, array, words):
    np.savez(tmp_path / "a.npz", array)
    with pytest.raises(SnnlabError, match="a.npz: " + words):
        read_clip(tmp_path / "a.npz")
    events = torch.from_numpy(array)
    with pytest.raises(SnnlabError, match=r"b.npz: the clip"):
        write_clip(tmp_path / "b.npz", events.transpose(0, 1) if array.ndim == 4 else events)
    assert not (tmp_path / "b.npz").exists()


def test_clips_that_cannot_be_read(tmp_path):
    with pytest.raises(
        SnnlabError, match=r"a.npz cannot be read .No such file.*; a whole npz file with arr_0"
    ):
        read_clip(tmp_path / "a.npz")
    write_clip(tmp_path / "a.npz", video_events(noise()))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SnnlabError, match="a.npz cannot be read"):
        read_clip(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("frames", "settings", "words"),
    [
        (
            noise()[0],
            {},
            r"frames are uint8 \(40, 50\); a grey clip, uint8 \(n, H, W\), was expected",
        ),
        (noise() / 255, {}, r"frames are float64 \(31, 40, 50\)"),
        (noise()[:1], {}, "n_frames = 1: expected a whole number from 2"),
        (noise()[:, :0], {}, r"frames are uint8 \(31, 0, 50\)"),
        (None, {}, r"frames are NoneType \(\)"),
        (noise()[[0, 0, 0]], {}, "the clip has no event, for nothing in it moves"),
        (noise(), {"ratio": 0}, "ratio is 0; a number between 0 and 1 was expected"),
        (noise(), {"ratio": 15}, "ratio is 15"),
        (noise(), {"ratio": float("nan")}, "ratio is nan"),
        (noise(), {"mode": 3}, "mode is 3; 1 .* or 2 .* was expected"),
        (noise(), {"mode": 2, "seed": -1}, "seed = -1: expected a whole number from 0"),
    ],
)
def test_what_is_refused(frames, settings, words):
    with pytest.raises(SnnlabError, match=words):
        video_events(frames, **settings)


@pytest.fixture
def videos(tmp_path):
    """Three folders of frames, one below another folder."""
    root = tmp_path / "videos"
    for seed, name in enumerate(("jump", "play/cello", "play/drums")):
        (root / name).mkdir(parents=True)
        for i, frame in enumerate(noise(6, 20, 24, seed), 1):
            Image.fromarray(frame).save(root / name / f"frame{i:06d}.png")
    return root


def convert(source, out, **settings):
    return convert_videos(source, out, **{"n_frames": 6, "workers": 1} | settings)


def test_what_comes_out(videos, tmp_path):
    out = tmp_path / "out"
    outcome = convert(videos, out)
    assert str(outcome) == "3 converted, 0 there already, 0 dropped, 0 failed"
    for name in ("jump", "play/cello", "play/drums"):
        expected = video_events(sample_frames(videos / name, 6))
        assert torch.equal(read_clip(out / f"{name}.npz"), expected) and expected.shape == (
            5,
            2,
            20,
            24,
        )
    assert (convert(videos, out).written, convert(videos, out).kept) == (0, 3)
    convert(videos, tmp_path / "two", workers=2)
    convert(videos / "jump", tmp_path / "one")
    for other, name in (("two", "jump"), ("two", "play/drums"), ("one", "jump")):
        assert (tmp_path / other / f"{name}.npz").read_bytes() == (out / f"{name}.npz").read_bytes()


def test_what_systems_leave_in_folders_is_no_video(videos, tmp_path, litter):
    litter(videos)
    outcome = convert(videos, tmp_path / "out")
    assert (outcome.written, outcome.failed) == (3, ())


def test_a_video_whose_name_is_no_utf8(videos, tmp_path):
    try:
        (videos / "jump").rename(videos / os.fsdecode(b"saut\xe9"))
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    (videos / os.fsdecode(b"bad\xe9.avi")).write_bytes(b"no video")
    outcome = convert(videos, tmp_path / "out", mode=2)
    assert outcome.written == 3 and r"bad\udce9.avi cannot be decoded" in outcome.report.read_text(
        encoding="utf-8"
    )
    assert (tmp_path / "out" / os.fsdecode(b"saut\xe9.npz")).exists()


def test_files_and_folders_of_frames_together(videos, tmp_path):
    import av

    with av.open(str(videos / "play/flute.AVI"), "w", format="avi") as container:
        stream = container.add_stream("ffv1", rate=25, width=24, height=20, pix_fmt="gray")
        for frame in noise(9, 20, 24):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    assert convert(videos, tmp_path / "out").written == 4
    expected = video_events(noise(9, 20, 24)[[0, 2, 3, 5, 6, 8]])
    assert torch.equal(read_clip(tmp_path / "out/play/flute.npz"), expected)
    assert convert(videos / "play/flute.AVI", tmp_path / "one").written == 1
    assert torch.equal(read_clip(tmp_path / "one/flute.npz"), expected)


def test_in_mode_2_every_clip_has_noise_of_its_own_that_the_others_do_not_change(videos, tmp_path):
    convert(videos, tmp_path / "all", mode=2)
    convert(videos / "jump", tmp_path / "one", mode=2)
    convert(videos / "jump", tmp_path / "other", mode=2, seed=1)
    first, same, other = (
        read_clip(tmp_path / name / "jump.npz") for name in ("all", "one", "other")
    )
    assert torch.equal(first, same) and not torch.equal(first, other)
    (videos / "jump").rename(videos / "leap")
    convert(videos / "leap", tmp_path / "one", mode=2)
    # The same frames by another name
    assert not torch.equal(first, read_clip(tmp_path / "one/leap.npz"))


def test_a_bad_video_does_not_stop_the_others(videos, tmp_path):
    (videos / "play/cello/frame000003.png").unlink()
    (videos / "bad.mp4").write_bytes(b"no video" * 99)
    still = videos / "still"
    still.mkdir()
    for i in range(1, 5):
        Image.new("L", (24, 20), 9).save(still / f"frame{i:06d}.png")
    outcome = convert(videos, tmp_path / "out")
    failed = {source.name: sentence for source, sentence in outcome.failed}
    assert outcome.written == 2 and set(failed) == {"cello", "bad.mp4", "still"}
    assert (
        "frame 3 is missing" in failed["cello"] and "bad.mp4 cannot be decoded" in failed["bad.mp4"]
    )
    assert "still: the clip has no event" in failed["still"]
    assert all(
        sentence in str(outcome) and sentence in outcome.report.read_text()
        for sentence in failed.values()
    )


def test_a_killed_run_goes_on(videos, tmp_path):
    out = tmp_path / "out"
    kill_while_writing_the_third(
        "from snnlab.data.encoding.video_events import convert_videos",
        f"convert_videos({str(videos)!r}, {str(out)!r}, n_frames=6, mode=2, workers=1)",
    )
    before = {path: path.stat().st_mtime_ns for path in out.rglob("[!.]*.npz")}
    assert len(before) == 2
    outcome = convert(videos, out, mode=2)
    assert (outcome.written, outcome.kept) == (1, 2)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    convert(videos, tmp_path / "again", mode=2)
    assert read_clip(out / "play/drums.npz").equal(read_clip(tmp_path / "again/play/drums.npz"))


def refused(source, out, words, **settings):
    with pytest.raises(SnnlabError, match=words) as caught:
        convert(source, out, **settings)
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)


def test_batches_that_are_refused(videos, tmp_path):
    out = tmp_path / "out"
    refused(
        tmp_path / "nowhere",
        out,
        "nowhere: there is no such file; a video or a folder of videos was expected",
    )
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", out, "empty holds no video; files .avi")
    (videos / "jump.avi").touch()
    refused(videos, out, r"would both become jump.npz; different names were expected")
    (videos / "jump.avi").unlink()
    refused(videos, out, "ratio is 2", ratio=2)
    refused(videos, out, "n_frames = 1:", n_frames=1)
    assert not out.exists()
    convert(videos, out)
    refused(videos, out, r"out holds files made with .*'ratio': 0.15.* was expected", ratio=0.2)


def test_a_full_disk_stops_at_once(videos, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(
        SnnlabError, match=r"jump.npz: could not be written .No space left on device"
    ):
        convert(videos, tmp_path / "out")
