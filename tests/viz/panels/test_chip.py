"""The panel of a network with fewer synapses and bits."""

import numpy as np
import pytest
import torch

from snnlab.data.batches.dense_set import DenseSet
from snnlab.delays.ablation import discretise
from snnlab.nn.delay_net import DelayNet
from snnlab.training.evaluation import evaluate
from snnlab.viz.panels.chip import chip_panel, evaluate_smaller


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DelayNet(n_in=8, hidden=[6], n_classes=3, max_delay=5, tau=2.0).eval()


@pytest.fixture
def recordings():
    x = (torch.rand(12, 10, 8, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    return DenseSet(x, torch.arange(10) % 3)


def test_weights_and_delays_have_as_many_levels_as_their_bits(network, recordings):
    weights, shares, _ = evaluate_smaller(network, recordings, 100, 2, 1)
    assert {*np.unique(weights)} == {-1.0, 1.0}
    assert shares.nonzero()[0].tolist() == [0, 5] and shares.sum() == pytest.approx(1)
    half, _, _ = evaluate_smaller(network, recordings, 50, 8, 3)
    assert len(half) == pytest.approx((48 + 18) / 2, abs=1)


def test_with_everything_it_is_nearly_the_rounded_network(network, recordings):
    _, shares, accuracy = evaluate_smaller(network, recordings, 100, 8, 3)
    assert (shares > 0).all()  # every whole delay
    assert accuracy == pytest.approx(evaluate(discretise(network), recordings).accuracy, abs=0.2)
    panel = chip_panel(network, recordings, 10)
    assert panel.controls["delay_bits"].max == 3
    panel.controls["percent"].value, panel.controls["weight_bits"].value = 50, 3
    alt = "50 % of the synapses, weights of 3 bits, delays of 2 bits: 4 different"
    assert f'alt="{alt}' in panel.image.value
    columns = panel.static.numbers
    assert columns["delay (ms)"].tolist() == [0, 10, 20, 30, 40, 50]


def test_the_sliders_reach_from_one_bit_to_all(network, recordings):
    panel = chip_panel(network, recordings, 10, live=False)
    assert "delays of 2 bits" in panel.static.alt


def test_one_bit_is_no_bits(network, recordings):
    panel = chip_panel(network, recordings, 10)
    panel.controls["delay_bits"].value = 1
    assert "delays of 1 bit: 2 different delays are in use" in panel.image.value
