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
        (lambda: sl.plots.delay_histogram(small()), "does not say how long a time step is"),
        (lambda: sl.plots.delay_histogram([1.0], dt_ms=1), "max_delay_ms = None"),
    ],
)
def test_a_slip_is_answered_by_a_sentence(call, words):
    with pytest.raises(sl.SnnlabError, match=words):
        call()


def test_the_time_step_of_the_network_is_that_of_the_data(tmp_path):
    data = sl.load_dataset("spoken-digits", dt_ms=50, n_in=70, limit=40)
    net = sl.DelayNet(70, (4,), 20, max_delay=4, dt_ms=20)
    with pytest.raises(sl.SnnlabError, match="^train: has steps of 50 ms, the network of 20; load"):
        sl.fit(net, data.train, data.valid, RECIPE)
    net = sl.DelayNet(70, (4,), 20, max_delay=4)
    sl.fit(net, data.train, data.valid, RECIPE, checkpoint=tmp_path / "net.pt", progress=False)
    assert sl.open_network(tmp_path / "net.pt")[1] == 50
    axes = sl.plots.delay_histogram(net)
    assert "200 ms" in axes.get_title()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, of: sl.fit(net, of(20), of(10), RECIPE), "^valid: has steps of 10 ms, the "),
        (lambda net, of: sl.fit(net, of(20), of(20), RECIPE, test=of(10)), "^test: has steps of"),
        (lambda net, of: sl.fit(net, of(None), of(10), RECIPE), "^valid: has steps of 10 ms"),
        (lambda net, of: sl.evaluate(net, of(10)), "^data: has steps of 10 ms, the network of 20"),
        (lambda net, of: sl.delay_statistics(net, 10), "^DelayNet: trained with steps of 20 ms"),
        (lambda net, of: sl.plots.delay_histogram(net, dt_ms=5), "steps of 20 ms, not of 5"),
    ],
)
def test_recordings_and_plots_have_the_time_step_of_the_network(call, words):
    net = sl.DelayNet(6, (4,), 2, max_delay=4, tau=1.5, dt_ms=20)
    x, y = torch.rand(10, 8, 6), torch.arange(8) % 2
    with pytest.raises(sl.SnnlabError, match=words):
        call(net, lambda dt_ms: sl.DenseSet(x, y, dt_ms=dt_ms))
    assert sl.delay_statistics(net) == sl.delay_statistics(net, dt_ms=20)
