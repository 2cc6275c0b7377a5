"""The panels of notebook 02: what they draw for the values of their controls."""

import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.viz.panels.transfer_panels import rate_panel, sharpening_panel, steps_panel


def test_with_one_step_the_neuron_is_a_step_and_with_many_it_fires_for_less():
    one, six = (rate_panel(steps, live=False).static for steps in (1, 6))
    assert "fires from an input of 0.500 on" in one.alt
    assert one.numbers["rate"].tolist().count(1) == 8
    assert "fires from an input of 0.376 on" in six.alt
    columns = six.numbers
    at_04 = columns["input"].tolist().index(0.4)
    assert columns["rate"][at_04] == pytest.approx(2 / 6, abs=1e-3)  # 0.4, 0.5: every second step


def test_the_ramp_and_the_bars_are_those_of_the_epoch():
    panel = sharpening_panel([(0.1, 0.9), (0.49, 0.5)], {"ANN": [0.2, 0.4], "twin": [0.1, 0.3]})
    assert panel.static.alt == (
        "After epoch 2 the ramp rises from 0.49 to 0.50; accuracies: ANN 40 %, twin 30 %."
    )
    panel.controls["epoch"].value = 1
    assert "from 0.10 to 0.90; accuracies: ANN 20 %, twin 10 %." in panel.image.value


def test_the_chosen_number_of_steps_is_marked():
    panel = steps_panel([1, 4, 8], {"net": [0.1, 0.5, 0.6]}, 4)
    assert panel.static.alt == "Tested with T = 4: net 50 %."
    before = panel.image.value
    panel.controls["steps_shown"].value = 8
    assert "Tested with T = 8: net 60 %." in panel.image.value != before
    with pytest.raises(SnnlabError, match="chosen = 5: expected one of the steps"):
        steps_panel([1, 4, 8], {"net": [0.1, 0.5, 0.6]}, 5)
