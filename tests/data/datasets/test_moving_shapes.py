"""Films of moving shapes: what they show, and what a single frame or step cannot tell."""

import numpy as np
import pytest
import torch

from snnlab import load_dataset
from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets import moving_shapes as shapes
from snnlab.data.encoding.video_events import video_events

RIGHT, CLOCKWISE, GROWING = 0, 2, 4


def columns(frames):
    """The column of the middle of a bright shape, as an angle of a ring around the picture."""
    light = (frames.astype(float) - shapes.BACKGROUND).clip(20) - 20
    turn = np.exp(2j * np.pi * np.arange(shapes.SIDE) / shapes.SIDE)
    return np.angle((light.sum(2) * turn).sum(-1))  # (n, T)


def test_films_events_and_edges_are_of_the_same_films():
    data = shapes.moving_shapes(films=12, seed=3)
    pictures, edges, events = (data[name].train for name in ("pictures", "edges", "target"))
    assert pictures.x.shape == edges.x.shape == (8, 12, 1, 33, 33)
    assert events.x.shape == (8, 12, 2, 33, 33) and events.x.dtype == torch.uint8
    assert pictures.x.min() >= 0 and pictures.x.max() <= 1
    signed = events.x[:, :, :1].int() - events.x[:, :, 1:].int()
    assert torch.equal(edges.x.int(), signed)
    frames, labels = shapes.film_frames(12, seed=(3, 0))
    assert torch.equal(pictures.labels, labels) and torch.equal(events.labels, labels)
    assert torch.equal(pictures.x[2, 5, 0], torch.from_numpy(frames[5, 3]) / 255)
    assert torch.equal(events.x[:, 5], video_events(frames[5], ratio=shapes.RATIO))
    assert [len(data["target"].train), len(data["target"].valid), len(data["target"].test)] == [
        12,
        6,
        12,
    ]
    assert data["target"].classes == shapes.MOTIONS


def test_the_class_is_the_motion():
    frames, labels = shapes.film_frames(60, seed=1)
    assert np.bincount(labels).tolist() == [10] * 6
    turned = np.angle(np.exp(1j * np.diff(columns(frames), axis=1))).mean(1)
    steps = turned * shapes.SIDE / (2 * np.pi)  # pixels a frame
    assert (steps[labels == RIGHT] > 1.5).all() and (steps[labels == RIGHT] < 3.5).all()
    assert (steps[labels == RIGHT + 1] > -3.5).all() and (steps[labels == RIGHT + 1] < -1.5).all()
    assert (abs(steps[labels > RIGHT + 1]) < 1).all()
    area = (frames > shapes.BACKGROUND + 25).sum((2, 3))
    growing = np.sign(np.diff(area, axis=1)).sum(1)
    assert (growing[labels == GROWING] > 0).all() and (growing[labels == GROWING + 1] < 0).all()
    still = labels == CLOCKWISE
    assert (np.diff(area[still], axis=1).std(1) < 0.2 * area[still].mean(1)).all()


def test_place_angle_and_size_of_each_frame_do_not_depend_on_the_motion():
    labels = np.repeat(np.arange(6), 4000)
    poses = shapes._poses(labels, np.random.default_rng(0))
    poses[..., 0] %= shapes.SIDE
    poses[..., 2] %= 2 * np.pi
    for t in (0, 4, 8):
        for column, width in enumerate((shapes.SIDE, 9, 2 * np.pi, 7)):
            means = [poses[labels == motion, t, column].mean() for motion in range(6)]
            assert np.ptp(means) < 0.03 * width


def test_a_dark_shape_that_moves_left_has_the_events_of_a_bright_one_that_moves_right():
    frames, labels = shapes.film_frames(6, seed=0)
    film = frames[labels.tolist().index(RIGHT)]
    forward = shapes.film_events(film[None])
    dark_and_backward = shapes.film_events(255 - film[None, ::-1])
    assert torch.equal(forward, dark_and_backward.flip(0))


def test_the_share_of_dark_shapes():
    for dark, shares in ((0.0, (0, 0)), (0.5, (0.3, 0.7)), (1.0, (1, 1))):
        frames, _ = shapes.film_frames(60, dark=dark, seed=2)
        darker = (frames.astype(int) - 128).mean((1, 2, 3)) < 0
        assert shares[0] <= darker.mean() <= shares[1]
    with pytest.raises(SnnlabError, match="dark = 1.5: expected a share from 0 to 1"):
        shapes.film_frames(6, dark=1.5)
    with pytest.raises(SnnlabError, match="films = 3"):
        shapes.moving_shapes(films=3)


def test_noisy_thresholds_make_more_events():
    frames, _ = shapes.film_frames(12, seed=0)
    clean, noisy = (shapes.film_events(frames, mode=mode).float().mean() for mode in (1, 2))
    assert noisy > 1.2 * clean


def test_the_seed_decides_and_no_film_is_in_two_parts():
    a, b, c = (load_dataset("moving-shapes", films=12, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(a.train.x, b.train.x) and not torch.equal(a.train.x, c.train.x)
    assert not torch.equal(a.train.x, a.test.x)
    assert a.name == "moving-shapes" and a.source["batch"] == [8, "B", 2, 33, 33]


@pytest.mark.parametrize(
    ("settings", "message"),
    [(dict(dark="0.5"), "dark = '0.5'"), (dict(dark=None), "dark"), (dict(seed=-1), "seed = -1")],
)
def test_wrong_settings_get_a_sentence(settings, message):
    with pytest.raises(SnnlabError, match=message):
        shapes.moving_shapes(films=12, **settings)
