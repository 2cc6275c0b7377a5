"""Sentences that a newcomer meets: each says what was wrong, what was expected, what to do."""

import pytest
import torch

import snnlab as sl
from snnlab.data.datasets.toys import interaural_lags
from snnlab.nn.vision.small_cnn import SmallCNNConfig


def small(**changes):
    return sl.DelayNet(16, (4,), 5, max_delay=4, **changes)


DATA = interaural_lags(8, seed=0, steps=20)
RECIPE = sl.DelayRecipe(epochs=1, batch_size=4, device="cpu")
CNN = SmallCNNConfig(in_channels=1, classes=3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: sl.load_dataset("spoken-digits"),
            "its times are seconds; .* Give dt_ms, such as 10",
        ),
        (lambda: sl.fit(small(), torch.ones(3), DATA, RECIPE), "train: got Tensor; expected a"),
        (lambda: sl.evaluate(small(), None), "data: got NoneType; expected a data set"),
        (lambda: sl.fit(small(), DATA, DATA, {"epochs": 1}), "got dict, expected a Recipe"),
        (
            lambda: sl.fit(small(), DATA, DATA, sl.Recipe(epochs=1, batch_size=4)),
            "Recipe has no optimisers; use DelayRecipe or Stage",
        ),
        (lambda: SmallCNNConfig(1, 3, channels=(8,)), "expected a stride for each convolution"),
        (lambda: sl.pipe_s("s", CNN, source="relu"), "relu1"),
        (lambda: sl.plots.delay_histogram(small()), "dt_ms = None: expected a time step"),
        (lambda: sl.plots.delay_histogram([1.0], dt_ms=1), "max_delay_ms = None"),
    ],
)
def test_a_slip_is_answered_by_a_sentence(call, words):
    with pytest.raises(sl.SnnlabError, match=words):
        call()


def test_the_time_step_of_the_network_is_that_of_the_data(tmp_path):
    data = sl.load_dataset("spoken-digits", dt_ms=50, n_in=70, limit=40)
    net = sl.DelayNet(70, (4,), 20, max_delay=4, dt_ms=20)
    with pytest.raises(sl.SnnlabError, match="the network has dt_ms = 20, the training data 50"):
        sl.fit(net, data.train, data.valid, RECIPE)
    net = sl.DelayNet(70, (4,), 20, max_delay=4)
    sl.fit(net, data.train, data.valid, RECIPE, checkpoint=tmp_path / "net.pt", progress=False)
    assert sl.open_network(tmp_path / "net.pt")[1] == 50
    axes = sl.plots.delay_histogram(net)
    assert "200 ms" in axes.get_title()
