"""The neuron of notebook 01: by hand, against lif_step, and against its own formula."""

import numpy as np
import pytest
import torch

from snnlab.errors import SnnlabError
from snnlab.neurons import lif_step
from snnlab.playground import INPUTS, drive, firing_rate, simulate


def test_by_hand():
    response = simulate([0.6, 0.6, 0.6, 0.6], tau=2.0)
    assert response.h.tolist() == pytest.approx([0.6, 0.9, 1.05, 0.6])
    assert response.v.tolist() == pytest.approx([0.6, 0.9, 0.0, 0.6])
    assert response.spikes.tolist() == [False, False, True, False]
    soft = simulate([0.6, 0.6, 0.6, 0.6], tau=2.0, reset="subtract")
    assert soft.v.tolist() == pytest.approx([0.6, 0.9, 0.05, 0.625])


def test_equals_lif_step():
    x = torch.tensor(drive("noise", 0.2), dtype=torch.float64)
    response = simulate(x, tau=7.0, v_threshold=0.8)
    v = torch.zeros((), dtype=torch.float64)
    for t in range(len(x)):
        spike, v, h = lif_step(v, x[t], tau=7.0, v_threshold=0.8)
        assert bool(spike) == response.spikes[t]
        assert h.item() == pytest.approx(response.h[t], abs=1e-12)
    assert 5 < response.spikes.sum() < 195


@pytest.mark.parametrize("tau", [1.5, 5.0, 20.0])
def test_the_formula_predicts_the_rate(tau):
    currents = np.linspace(0.0031, 1.2, 50)
    for current, rate in zip(currents, firing_rate(currents, tau=tau, dt_ms=2.0), strict=True):
        times = np.flatnonzero(simulate(np.full(2000, current), tau=tau).spikes)
        assert rate == (500 / (times[1] - times[0]) if len(times) > 1 else 0)


def test_inputs_are_off_at_both_ends_and_have_the_stated_mean():
    for kind in INPUTS:
        x = drive(kind, 0.1)
        assert not x[:20].any() and not x[180:].any()
        assert x[20:180].mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: simulate([1.0], tau=1.0), "tau = 1.0"),
        (lambda: simulate([1.0], tau=2.0, reset="none"), "reset = 'none'"),
        (lambda: drive("sine", 1.0), "input = 'sine'"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(SnnlabError, match=words):
        call()
