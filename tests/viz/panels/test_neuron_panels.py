"""The panels of notebook 01: two input spikes, and a population."""

import re

import numpy as np
import pytest

from snnlab.viz.panels.neuron_panels import population_panel, two_spikes_panel


@pytest.mark.parametrize(("gap", "spikes"), [(3, 1), (4, 0)])
def test_two_spikes_fire_inside_the_window_only(gap, spikes):
    panel = two_spikes_panel()
    panel.controls["gap_ms"].value = gap
    highest = 0.6 * 0.9**gap + 0.6
    assert f"highest H {highest:.3f}, output spikes: {spikes}." in panel.image.value


def test_two_spikes_at_once_add_up_in_one_step():
    panel = two_spikes_panel()
    panel.controls["gap_ms"].value = 0
    assert "highest H 1.200" in panel.image.value


def correlation(panel):
    return float(re.search(r"correlation with the wave is (\d\.\d+)", panel.image.value)[1])


def test_more_neurons_show_the_wave_better_unless_they_are_copies():
    panel = population_panel()
    by_noise = {}
    for noise in (0.15, 0.0):
        panel.controls["noise"].value = noise
        values = []
        for neurons in (1, 10, 100):
            panel.controls["neurons"].value = neurons
            values.append(correlation(panel))
            words = "1 neuron" if neurons == 1 else f"{neurons} neurons"
            assert f'alt="{words}, noise' in panel.image.value
        by_noise[noise] = values
    assert (np.diff(by_noise[0.15]) > 0.05).all()
    assert np.ptp(by_noise[0.0]) < 0.005


@pytest.mark.parametrize("make", [two_spikes_panel, population_panel])
def test_a_panel_without_sliders_is_a_picture(make):
    panel = make(live=False)
    assert panel.box is None
    assert panel._repr_mimebundle_().keys() == {"text/html", "image/png", "text/plain"}
