"""The panel of a ramp that becomes a step."""

import pytest
import torch

from snnlab.viz.panels.ramp import prepare_ramp, ramp_panel
from snnlab.viz.plots.style import empty_figure

CURRENTS = torch.tensor([0.4, 0.9, 1.2, 1.6]).view(-1, 1, 1)


def test_a_wide_ramp_gives_values_between_and_a_step_gives_the_spikes():
    draw = prepare_ramp(CURRENTS, 1.005, empty_figure(7, 3))
    alt, columns = draw(sharpened=0, step=1)
    assert "width 1.00" in alt and "2 lie between 0 and 1" in alt
    assert columns["output"] == pytest.approx([0.0, 0.4, 0.7, 1.0], abs=0.02)
    alt, columns = draw(sharpened=100, step=1)
    assert "0 lie between 0 and 1" in alt
    assert columns["output"].tolist() == columns["LIF fires"].tolist() == [0, 0, 1, 1]


def test_the_marked_step_is_that_of_the_slider_also_for_few_steps():
    panel = ramp_panel(CURRENTS, tau=1.005, live=False)
    assert "In step 3 the membrane is at 1.6" in panel.static.alt
