"""Few colours: what is large is exact, what is rare is near, and nothing else changes."""

import numpy as np

from snnlab.palette import in_few_colours


def shown(rgb):
    """Pixels `(H, W, 3)` after the palette, and how many colours there are."""
    opaque = np.full((*np.shape(rgb)[:2], 4), 255, dtype=np.uint8)
    opaque[..., :3] = rgb
    image = in_few_colours(opaque)
    return np.asarray(image.convert("RGB")).astype(int), len(image.getcolors())


def test_few_colours_are_exact():
    colours = np.array([[255, 255, 255], [0, 0, 0], [0, 114, 178], [213, 94, 0], [247, 247, 240], [7, 200, 100]])
    pixels = colours[np.random.default_rng(0).integers(0, 6, (30, 40))]
    after, count = shown(pixels)
    assert np.array_equal(after, pixels) and count == 6


def test_of_one_kind_the_longest_run_keeps_its_colour():
    row = [[250] * 3] + [[255] * 3] * 5 + [[251] * 3, [253] * 3] * 9  # 24 to 31 in the upper five bits: one kind
    after, count = shown([row])
    assert (after == 255).all() and count == 1
    after, count = shown([[[100, 8, 255], [100, 16, 255]] * 2])  # green alone tells them apart
    assert after[0].tolist() == [[100, 8, 255], [100, 16, 255]] * 2 and count == 2


def test_a_run_of_many_rows_counts_as_the_longest():
    pixels = np.full((400, 400, 3), 255)
    pixels[200, :300] = 250
    assert (shown(pixels)[0] == 255).all()


def test_of_many_kinds_the_rarest_become_the_nearest():
    levels = np.arange(0, 256, 8)
    pixels = np.stack(np.meshgrid(levels, levels[:10], [0], indexing="ij"), -1).reshape(1, -1, 3)  # 320 kinds
    often = np.repeat(pixels[:, :250], 3, 1)
    rare = pixels[:, 250:]
    after, count = shown(np.concatenate([often, rare], 1))
    assert count == 256 and np.array_equal(after[:, :750], often)
    apart = np.square(rare[0, :, None] - after[0, None]).sum(-1).min(1)
    assert np.array_equal(np.square(rare - after[:, 750:]).sum(-1)[0], apart)
