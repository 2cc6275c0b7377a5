"""ODG beside the published rule, pixel by pixel; and its inverse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from snnlab._utils.errors import SnnlabError
from snnlab.data.encoding.odg import THETA, edge_integral, odg_events

X = [1, 0, 2, 1, 0, 2, 1, 1, 2]  # as published
Y = [0, 2, 1, 0, 1, 2, 0, 1, 1]
STEPS = [(-1, 2), (2, -1), (-1, -1), (-1, 1), (2, 1), (-1, -2), (0, 1), (1, 0)]


def by_rule(image, theta):
    """Events (8, 2, H + 4, W + 4) of one picture (H, W), one pixel after the other."""
    height, width = image.shape
    events = np.zeros((8, 2, height + 4, width + 4))
    for t in range(1, 9):
        for r in range(height + 4):
            for c in range(width + 4):
                now, before = (r - X[t], c - Y[t]), (r - X[t - 1], c - Y[t - 1])
                if all(0 <= i < height and 0 <= j < width for i, j in (now, before)):
                    difference = image[now] - image[before]
                    events[t - 1, 0, r, c] = difference > theta
                    events[t - 1, 1, r, c] = difference < -theta
    return events


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 2), (5, 3), (17, 23)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_every_pixel_is_as_the_rule_says(size, dtype):
    images = np.random.default_rng(0).integers(0, 256, (3, *size)).astype(np.uint8)
    given = images if dtype == np.uint8 else (images / 255).astype(dtype)
    events = odg_events(torch.from_numpy(given))
    assert events.shape == (8, 3, 2, size[0] + 4, size[1] + 4) and events.dtype == torch.float32
    for i, image in enumerate(images):
        np.testing.assert_array_equal(events[:, i], by_rule(image / 255, THETA))


SMALL = st.tuples(st.integers(1, 6), st.integers(1, 6))


@settings(deadline=None)
@given(arrays(np.float64, SMALL, elements=st.floats(0, 1)), st.floats(0, 0.9))
def test_of_any_floats(image, theta):
    np.testing.assert_array_equal(
        odg_events(torch.from_numpy(image)[None], theta)[:, 0], by_rule(image, theta)
    )


@settings(deadline=None)
@given(
    arrays(np.uint8, SMALL),
    st.one_of(st.floats(0, 0.999), st.integers(0, 254).map(lambda i: i / 255)),
)
def test_of_any_bytes(image, theta):
    # whole numbers, so that a difference is exact: 46 grey levels are no event where theta is 46 /
    # 255
    level = sum(step / 255 <= theta for step in range(1, 256))
    expected = by_rule(image.astype(int), level)
    np.testing.assert_array_equal(odg_events(torch.from_numpy(image)[None], theta)[:, 0], expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_a_difference_of_exactly_theta_is_no_event(dtype):
    for level in range(255):
        images = torch.tensor([[[0, level]], [[0, level + 1]]], dtype=dtype)
        images = images if dtype == torch.uint8 else images / 255
        equal, more = odg_events(images, level / 255).unbind(1)
        assert not equal.any() and more.any()


def test_a_step_is_bright_on_one_side_and_dark_on_the_other():
    image = torch.zeros(1, 6, 6)
    image[0, :, 3:] = 1
    events = odg_events(image)[:, 0]
    # t = 7: from column 0 to column 1, rows 1 to 6; the dark column 2 covers what was bright, at 3
    expected = torch.zeros(2, 10, 10)
    expected[1, 1:7, 3] = 1
    assert torch.equal(events[6], expected)
    # t = 1: from column 0 to 2, up from row 1 to 0; both cover rows 1 to 5, and columns 3 and 4 get
    # dark
    expected = torch.zeros(2, 10, 10)
    expected[1, 1:6, 3:5] = 1
    assert torch.equal(events[0], expected)
    # t = 6: from column 2 back to 0, up from row 2 to 1; both cover rows 2 to 6, and columns 3 and
    # 4 get bright
    expected = torch.zeros(2, 10, 10)
    expected[0, 2:7, 3:5] = 1
    assert torch.equal(events[5], expected)
    # Dark instead of bright: OFF instead of ON
    assert torch.equal(odg_events(1 - image)[:, 0], events.flip(1))


def test_a_uniform_picture_has_no_event():
    for value in (0.0, 0.5, 1.0):
        assert not odg_events(torch.full((2, 7, 5), value), 0.0).any()
    assert not odg_events(torch.full((1, 7, 5), 255, dtype=torch.uint8), 0.0).any()


def test_colours_count_by_the_brightest():
    images = torch.rand(2, 3, 8, 9)
    assert torch.equal(odg_events(images), odg_events(images.amax(1)))
    pixels = (255 * images).to(torch.uint8)
    assert torch.equal(odg_events(pixels), odg_events(pixels.amax(1)))


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8]
)
def test_of_any_type_order_in_memory_and_batch(dtype):
    images = torch.rand(4, 10, 6)
    images = (255 * images).to(dtype) if dtype == torch.uint8 else images.to(dtype)
    whole = odg_events(images)
    assert whole.is_contiguous() and whole.any()
    turned = images.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not turned.is_contiguous() and torch.equal(odg_events(turned), whole)
    assert torch.equal(odg_events(images[1::2]), whole[:, 1::2])
    assert torch.equal(odg_events(images[:1]), whole[:, :1])
    assert torch.equal(odg_events(images.clone(), dtype=torch.uint8), whole.byte())
    assert odg_events(images, dtype=torch.bool).dtype == torch.bool


def test_images_are_left_as_they_are():
    for images in (
        torch.rand(2, 5, 5, requires_grad=True),
        torch.randint(0, 256, (2, 5, 5), dtype=torch.uint8),
    ):
        before = images.clone()
        assert not odg_events(images).requires_grad
        assert torch.equal(images, before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same():
    for images in (torch.rand(3, 3, 20, 31), torch.randint(0, 256, (3, 20, 31), dtype=torch.uint8)):
        assert torch.equal(odg_events(images.cuda()).cpu(), odg_events(images))


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_the_integral_of_a_binary_picture_is_the_difference_to_its_neighbours(image):
    """What the docstring states, exactly."""
    value = image.astype(float)
    height, width = value.shape
    expected = np.zeros(value.shape)
    for i in range(height):
        for j in range(width):
            for down, right in STEPS:
                if 0 <= i + down < height and 0 <= j + right < width:
                    expected[i, j] += (value[i, j] - value[i + down, j + right]) / 8
    events = odg_events(torch.from_numpy(value)[None])
    np.testing.assert_array_equal(edge_integral(events)[0], expected)


def test_the_integral_has_the_sign_of_the_edge_and_the_order_of_the_batch():
    image = torch.full((6, 6), 0.2)
    image[:, 3:] = 0.7
    first, second = edge_integral(odg_events(torch.stack([image, 1 - image])))
    assert torch.equal(first, -second)
    assert (first[2:4, 3] > 0).all() and (first[2:4, 2] < 0).all() and not first[:, 0].any()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.float16])
def test_the_integral_of_any_type(dtype):
    events = odg_events(torch.rand(2, 6, 7))
    picture = edge_integral(events.to(dtype))
    assert picture.dtype == (torch.float16 if dtype == torch.float16 else torch.float32)
    # Eighths are exact in half precision
    assert torch.equal(picture.float(), edge_integral(events))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(5, 5), r"shape \(5, 5\); \(B, H, W\) or \(B, 3, H, W\) was expected"),
        (torch.zeros(2, 1, 5, 5), r"shape \(2, 1, 5, 5\)"),
        (torch.zeros(0, 5, 5), r"shape \(0, 5, 5\)"),
        (
            torch.zeros(2, 5, 5, dtype=torch.int64),
            "type torch.int64; floating point from 0 to 1 or uint8",
        ),
        (torch.zeros(2, 5, 5, dtype=torch.bool), "type torch.bool"),
        (torch.tensor([[[0.0, torch.nan]]]), "none of them NaN"),
        (torch.tensor([[[0.0, torch.inf]]]), "values from 0 to inf"),
        (torch.tensor([[[0.0, 255.0]]]), "values from 0 to 255; numbers from 0 to 1"),
        (torch.tensor([[[-0.1, 0.5]]]), "values from -0.1 to 0.5"),
    ],
)
def test_images_that_are_refused(images, words):
    with pytest.raises(SnnlabError, match=words):
        odg_events(images)


@pytest.mark.parametrize("theta", [-0.1, 1.0, 46, float("nan")])
def test_thresholds_that_are_refused(theta):
    with pytest.raises(SnnlabError, match=f"theta is {theta}; a number from 0 to below 1"):
        odg_events(torch.zeros(1, 5, 5), theta)


@pytest.mark.parametrize("shape", [(7, 1, 2, 9, 9), (8, 2, 9, 9), (8, 1, 1, 9, 9), (8, 1, 2, 4, 9)])
def test_events_that_are_refused(shape):
    with pytest.raises(
        SnnlabError, match=r"events have shape .*\(8, B, 2, H \+ 4, W \+ 4\) was expected"
    ):
        edge_integral(torch.zeros(shape))
