"""The panels of notebook 04: what they draw for the values of their controls."""

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.viz.panels.delay_panels import coincidence_panel, kernel_panel, narrowing_panel

COUNTS = [[9.0, 1.0, 2.0], [1.0, 3.0, 8.0]]


def test_the_coincidences_are_those_of_the_lag_and_the_delay():
    panel = coincidence_panel(COUNTS, (0, 2), step_ms=0.1, lag=2)
    assert panel.static.alt == (
        "Lag 0.2 ms: with the left ear delayed by 0.0 ms, 1.0 coincidences a trial."
    )
    before = panel.image.value
    panel.controls["delay"].value = 2
    assert "delayed by 0.2 ms, 8.0 coincidences a trial." in panel.image.value != before
    panel.controls["lag"].value = 0
    assert "Lag 0.0 ms: with the left ear delayed by 0.2 ms, 2.0" in panel.image.value
    with pytest.raises(SnnlabError, match="counts"):
        coincidence_panel(COUNTS, (0, 2, 4), step_ms=0.1, lag=2)


def test_the_kernel_is_that_of_the_function():
    def kernel(delay, sigma):
        weights = np.zeros(9)
        weights[round(delay)], weights[0] = 1 - sigma / 10, sigma / 10
        return weights

    panel = kernel_panel(kernel, taps=9)
    assert "delay 5.0 steps, sigma 1.50: 85% of the weight is on tap 5." in panel.static.alt
    panel.controls["delay"].value = 8.0
    assert "delay 8.0 steps, sigma 1.50: 85% of the weight is on tap 8." in panel.image.value


def test_the_kernel_of_each_epoch_is_shown_beside_its_delay():
    panel = narrowing_panel(np.eye(3), [0.0, 1.1, 2.2], [3.0, 2.0, 0.5], 2)
    assert panel.static.alt == (
        "Epoch 0: delay 0.0 steps, sigma 3.00 steps, 0% of the weight on tap 2."
    )
    panel.controls["epoch"].value = 2
    assert "Epoch 2: delay 2.2 steps, sigma 0.50 steps, 100% of the weight" in panel.image.value
    with pytest.raises(SnnlabError, match="sigmas"):
        narrowing_panel(np.eye(3), [0.0, 1.1, 2.2], [3.0], 2)
