"""The neuron of notebook 01: by hand, against lif_step, and against its own formula."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from spikingjelly.activation_based import surrogate

from snnlab._utils.errors import SnnlabError
from snnlab.nn.neurons import lif_step
from snnlab.viz.panels import lif_playground
from snnlab.viz.panels.lif_playground import (
    INPUTS,
    SLOTS,
    fi_curve,
    input_current,
    lif_panel,
    simulate_lif,
    surrogate_slope,
)


def test_by_hand():
    response = simulate_lif([0.6, 0.6, 0.6, 0.6], tau=2.0)
    assert response.h.tolist() == pytest.approx([0.6, 0.9, 1.05, 0.6])
    assert response.v.tolist() == pytest.approx([0.6, 0.9, 0.0, 0.6])
    assert response.spikes.tolist() == [False, False, True, False]
    soft = simulate_lif([0.6, 0.6, 0.6, 0.6], tau=2.0, reset="subtract")
    assert soft.v.tolist() == pytest.approx([0.6, 0.9, 0.05, 0.625])


def test_equals_lif_step():
    x = torch.tensor(input_current("noise", 0.2), dtype=torch.float64)
    response = simulate_lif(x, tau=7.0, v_threshold=0.8)
    v = torch.zeros((), dtype=torch.float64)
    for t in range(len(x)):
        spike, v, h = lif_step(v, x[t], tau=7.0, v_threshold=0.8)
        assert bool(spike) == response.spikes[t]
        assert h.item() == pytest.approx(response.h[t], abs=1e-12)
    assert 5 < response.spikes.sum() < 195


@pytest.mark.parametrize("tau", [1.5, 5.0, 20.0])
def test_the_formula_predicts_the_rate(tau):
    currents = np.linspace(0.0031, 1.2, 50)
    for current, rate in zip(currents, fi_curve(currents, tau=tau), strict=True):
        times = np.flatnonzero(simulate_lif(np.full(2000, current), tau=tau).spikes)
        assert rate == (1000 / (times[1] - times[0]) if len(times) > 1 else 0)


def test_inputs_are_off_at_both_ends_and_have_the_stated_mean():
    for kind in INPUTS:
        x = input_current(kind, 0.1)
        assert not x[:20].any() and not x[180:].any()
        assert x[20:180].mean() == pytest.approx(0.1, abs=0.02)


def test_a_spike_train_is_what_was_pressed():
    assert SLOTS[0] == 20 and SLOTS[-1] == 172 and len(SLOTS) == 20
    x = input_current("spikes", 0.1, train=[ms in (28, 172) for ms in SLOTS])
    assert np.flatnonzero(x).tolist() == [28, 172]
    assert x[28] == x[172] == pytest.approx(0.8)
    assert not input_current("spikes", 0.1, train=[False] * 20).any()
    assert input_current("step", 0.1, train=[False] * 20)[20] == pytest.approx(0.1)


@pytest.mark.parametrize("alpha", [1.0, 5.0])
@pytest.mark.parametrize(
    ("kind", "theirs"), [("arc tangent", surrogate.ATan), ("rectangle", surrogate.Rect)]
)
def test_the_slope_is_the_one_that_networks_train_with(kind, theirs, alpha):
    over = torch.linspace(-1.5, 1.5, 100, dtype=torch.float64, requires_grad=True)
    theirs(alpha)(over).sum().backward()
    assert surrogate_slope(over.detach(), kind, alpha) == pytest.approx(over.grad.numpy())


def test_slopes_by_hand():
    assert surrogate_slope([0, 2 / np.pi / 5], "arc tangent", 5.0).tolist() == pytest.approx(
        [2.5, 1.25]
    )
    assert surrogate_slope([0, 0.09, -0.09, 0.11], "rectangle", 5.0).tolist() == [5, 5, 5, 0]


def test_the_playground_answers_to_every_control():
    shown = lif_panel()
    assert "8 spikes, the first after 19 ms; 50 spikes a second" in shown.image.value
    moves = {
        "tau_ms": 12, "v_threshold": 0.9, "reset": "subtract",
        "surrogate": "rectangle", "alpha": 2.0, "kind": "spikes",
        "train": (True, True) + (False,) * 18, "strength": 0.0,
    }  # fmt: skip
    for name, value in moves.items():
        picture, _, words = shown.image.value.partition("<figcaption")
        shown.controls[name].value = value
        now, _, said = shown.image.value.partition("<figcaption")
        assert now.split("src=")[1] != picture.split("src=")[1] and said != words, name
    assert "0 spikes, the membrane stays below the threshold" in shown.image.value


def test_two_neighbouring_spikes_are_enough_and_two_apart_are_not():
    """What the notebook says about question 6 of the playground."""
    shown = lif_panel()
    shown.controls["kind"].value = "spikes"
    for pressed, inputs, outputs in (
        ((4, 5), "2 input spikes", "1 spike"),
        ((4, 6), "2 input spikes", "0 spikes"),
        ((4,), "1 input spike", "0 spikes"),
    ):
        shown.controls["train"].value = tuple(slot in pressed for slot in range(20))
        assert f"{inputs} of 0.64" in shown.image.value
        assert f"to zero: {outputs}, " in shown.image.value


def test_the_artists_hold_what_the_neuron_did():
    fig = Figure()
    train = (True, True, *(False,) * 18)
    alt, numbers = lif_playground.prepare_neuron(fig)(
        tau_ms=20, v_threshold=1.0, reset="to zero", kind="spikes", strength=0.08, train=train,
        surrogate="rectangle", alpha=2.0,
    )  # fmt: skip
    lines = {ax.get_label(): ax.lines for ax in fig.axes}
    h = 0.64 * 0.95**8 + 0.64
    bell, level, places = lines["slope"]
    assert len(places.get_xdata()) == 160
    # Within a quarter of 1
    assert places.get_ydata()[8] == pytest.approx(h) and places.get_xdata()[8] == 2.0
    assert places.get_ydata()[0] == pytest.approx(0.64) and places.get_xdata()[0] == 0
    assert bell.get_xdata()[bell.get_ydata() == 1.0] == 2.0
    assert set(level.get_ydata()) == {1.0}
    assert lines["membrane"][2].get_xdata().tolist() == [28]
    ((mean,), (rate,)) = lines["f-I"][1].get_data()
    assert (mean, rate) == (pytest.approx(2 * 0.64 / 160), pytest.approx(1 / 0.16))
    assert "slope 0.01 on average, 2.00 at most" in alt
    assert numbers["from (ms)"] == SLOTS
    assert numbers["input X, sum"][:3] == pytest.approx([0.64, 0.64, 0])
    assert numbers["highest H"][:3] == pytest.approx([0.64, h, 0])
    assert numbers["last V"][:2] == pytest.approx([0.64 * 0.95**7, 0])
    assert list(numbers["output spikes"]) == [0, 1, *[0] * 18]
    assert list(numbers["largest slope"][:3]) == [0, 2, 0]


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("reset", lif_playground.RESETS)
def test_all_limits_hold_what_is_drawn(kind, reset):
    draw = lif_playground.prepare_neuron(fig := Figure())
    for tau, threshold, strength in itertools.product((2, 20, 50), (0.5, 1.0, 2.0), (0, 0.15, 0.3)):
        draw(
            tau_ms=tau, v_threshold=threshold, reset=reset, kind=kind, strength=strength,
            train=lif_playground.ALL_SLOTS, surrogate="rectangle", alpha=6.0,
        )  # fmt: skip
        for ax in fig.axes:
            for line in ax.lines:
                points = line.get_transform().transform(line.get_xydata())
                x, y = ax.transAxes.inverted().transform(points).T
                assert (abs(x - 0.5) < 0.500001).all(), (ax.get_label(), tau, threshold)
                assert (abs(y - 0.5) < 0.500001).all(), (ax.get_label(), tau, threshold)
                if ax.get_label() == "membrane" and line is ax.lines[0]:
                    assert y.max() < lif_playground.MARKS - 0.03


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: simulate_lif([1.0], tau=1.0), "tau = 1.0"),
        (lambda: simulate_lif([1.0], tau=2.0, reset="none"), "no reset called 'none'"),
        (lambda: input_current("sine", 1.0), "no input called 'sine'"),
        (lambda: surrogate_slope([0.0], "sigmoid", 1.0), "no surrogate called 'sigmoid'"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(SnnlabError, match=words):
        call()
