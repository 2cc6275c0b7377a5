"""Checkpoint files that are altered, damaged, older or somebody else's: read rightly, or refused by
one sentence."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from resumed import STEPS, Stop, delays, stopping

from snnlab._utils.errors import SnnlabError
from snnlab.delays import snapshots
from snnlab.delays.ablation import discretise
from snnlab.delays.loading import open_network
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.network_config import NetworkConfig
from snnlab.training import checkpoints, trainer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Of a training that was stopped in the middle of its second epoch."""
    path = tmp_path_factory.mktemp("run") / "c.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "train_step", partial(stopping, [STEPS + 3], trainer.train_step))
        with pytest.raises(Stop):
            delays(path, save_every=0)
    return torch.load(path, weights_only=True)


def opened(path):
    """All that reads a checkpoint in notebook 05."""
    net, _ = open_network(path.parent, dt_ms=10.0)
    return snapshots.delay_trajectory(path, net, 10.0)


def resumed(path):
    return delays(path)


def altered(content, place, value):
    """A copy in which the entry at `place` is another, or is missing."""
    content = copy.deepcopy(content)
    *above, last = place
    entry = content
    for key in above:
        entry = entry[key]
    if value is MISSING:
        del entry[last]
    else:
        entry[last] = value
    return content


MISSING = object()
OTHERS = [MISSING, None, "text", -7, torch.zeros(3)]


def test_the_file_that_is_altered_below_is_a_good_one(content, tmp_path):
    torch.save(content, tmp_path / "c.pt")
    assert content["under_way"]["batches"] == 3 and len(content["history"]) == 1
    assert opened(tmp_path / "c.pt") and len(resumed(tmp_path / "c.pt").history) == 3


@pytest.mark.parametrize(
    "place",
    [
        ("format",),
        ("network",),
        *(("network", name) for name in ("n_in", "hidden", "max_delay", "tau", "new")),
    ],
    ids=str,
)
def test_an_altered_network_or_format_is_one_sentence(content, place, tmp_path):
    for value in (*OTHERS, 10**15 if place != ("network", "tau") else float("nan")):
        if (place[-1], value) == ("new", MISSING):
            continue
        torch.save(altered(content, place, value), tmp_path / "c.pt")
        for read in (opened, checkpoints.load_network, resumed):
            with pytest.raises(
                SnnlabError, match=r"c\.pt: |no checkpoint of a network with learned delays"
            ):
                read(tmp_path / "c.pt")


PLACES = [
    *[
        (name,)
        for name in (
            "recipe",
            "model",
            "moving",
            "history",
            "best",
            "best_epoch",
            "snapshots",
            "under_way",
        )
    ],
    ("recipe", "seed"),
    ("model", "synapses.0.weight"),
    ("best", "synapses.0.weight"),
    ("history", 0),
    ("history", 0, "epoch"),
    ("history", 0, "valid_accuracy"),
    ("history", 0, "valid_loss"),
    ("moving", 0),
    ("moving", 0, "param_groups"),
    ("moving", 0, "state", 0, "exp_avg"),
    *[("under_way", name) for name in ("batches", "seen", "sums", "random", "random_gpu")],
    ("snapshots", 1),
]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_any_other_altered_entry_is_one_sentence_or_does_no_harm(content, place, tmp_path):
    for value in OTHERS:
        for read in (opened, resumed):
            torch.save(altered(content, place, value), tmp_path / "c.pt")
            try:
                read(tmp_path / "c.pt")
            except SnnlabError as error:
                assert "c.pt: " in str(error) or "no checkpoint of a network" in str(error)


def moments(value):
    return [(("moving", 0, "state", 0, name), value) for name in ("exp_avg", "exp_avg_sq")]


GROUP, RISING, FALLING = ("moving", 0, "param_groups", 0), ("moving", 2), ("moving", 3)
NOT_RESUMED = [
    *moments(torch.zeros(())),
    *moments(torch.zeros(6, 16, 1, dtype=torch.long)),
    *moments(torch.full((6, 16, 1), float("nan"))),
    (("moving", 0, "state", 0, "step"), torch.ones(6, 16, 1)),
    (("moving", 0, "state", 0, "new"), torch.ones(6, 16, 1)),
    (("moving", 0, "state", -1), {}),
    *[((*GROUP, "amsgrad"), value) for value in (-1, True)],
    *[
        ((*GROUP, "betas"), value)
        for value in ([], (), (0.9, "text"), (0.9, float("nan")), (0.9, 3.0))
    ],
    *[
        ((*GROUP, name), value)
        for name in ("lr", "weight_decay", "eps")
        for value in ("text", [], None, float("nan"))
    ],
    *[((*GROUP, name), MISSING) for name in ("lr", "betas", "amsgrad", "params")],
    *[
        ((*GROUP, name), value)
        for name in ("base_momentum", "max_momentum", "max_lr")
        for value in (None, 7.0)
    ],
    *[((*RISING, "_schedule_phases"), value) for value in ([], None)],
    *[
        ((*RISING, name), value)
        for name in ("last_epoch", "total_steps", "_step_count")
        for value in (None, 0, 9)
    ],
    *[
        ((*FALLING, name), value)
        for name in ("last_epoch", "T_max")
        for value in (None, 0, 9, "text")
    ],
    (("under_way", "batches"), 99),
    (("history", 0, "valid_accuracy"), 9.0),
    (("history", 0, "train_accuracy"), -0.5),
    (("history", 0, "valid_loss"), float("nan")),
    (("best", "synapses.0.weight"), torch.full((6, 16, 1), float("nan"))),
    (("model", "norms.0.running_var"), torch.full((6,), float("inf"))),
    (("model", "synapses.0.P"), torch.full((1, 6, 16, 1), 4.5)),
]


@pytest.mark.parametrize(
    ("place", "value"), NOT_RESUMED, ids=[str(place) for place, _ in NOT_RESUMED]
)
def test_no_training_goes_on_from_what_none_has_left(content, place, value, tmp_path):
    torch.save(altered(content, place, value), tmp_path / "c.pt")
    with pytest.raises(SnnlabError, match=r"c\.pt: .*choose another file"):
        resumed(tmp_path / "c.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["synapses.0.weight", "synapses.1.SIG", "norms.0.running_mean"])
def test_a_network_with_values_that_are_not_finite_is_not_opened(content, name, value, tmp_path):
    bad = copy.deepcopy(content)
    bad["best"][name].view(-1)[1] = value
    torch.save(bad, tmp_path / "c.pt")
    for read in (checkpoints.load_network, opened):
        with pytest.raises(SnnlabError, match=rf"c\.pt: {name} holds values that are not finite"):
            read(tmp_path / "c.pt")


@pytest.mark.parametrize(
    ("rounded", "position"), [(True, 0.5), (False, 1.0), (True, 5.0), (None, 5.0), (None, -5.0)]
)  # of 9 taps
def test_a_network_whose_delays_do_not_fit_is_not_opened(content, rounded, position, tmp_path):
    bad = copy.deepcopy(content)
    bad["best"]["synapses.0.P"].fill_(position)
    if rounded is not None:
        bad["best"]["synapses.0.rounded"] = torch.tensor(rounded)
    torch.save(bad, tmp_path / "c.pt")
    with pytest.raises(
        SnnlabError, match=r"c\.pt: the delays of synapses.0 .* numbers from 0 to 8; choose another"
    ):
        checkpoints.load_network(tmp_path / "c.pt")


def test_no_sentence_advises_to_delete_a_file(content, tmp_path):
    path = tmp_path / "c.pt"
    for written in (
        {"mine": 1},
        [1],
        content | {"format": "?"},
        {k: v for k, v in content.items() if k != "best"},
        b"?",
    ):
        path.write_bytes(b"my own notes") if isinstance(written, bytes) else torch.save(
            written, path
        )
        for read in (checkpoints.load_network, opened, resumed):
            with pytest.raises(SnnlabError) as error:
                read(path)
            assert "elete" not in str(error.value)


def test_a_file_of_the_delay_papers_code_is_named_with_what_reads_it(tmp_path):
    torch.save(
        {"model.0.weight": torch.zeros(3, 2, 1), "model.0.P": torch.zeros(1, 3, 2, 1)},
        tmp_path / "theirs.pt",
    )
    for read in (checkpoints.load_network, opened, resumed):
        with pytest.raises(
            SnnlabError, match=r"theirs.pt: .*SNN-delays.*`snnlab import-checkpoint`"
        ):
            read(tmp_path / "theirs.pt")


@pytest.mark.parametrize("version", [1, 3])
def test_older_files_are_refused(content, tmp_path, version):
    torch.save(content | {"format": version}, tmp_path / "c.pt")
    for read in (checkpoints.load_network, resumed):
        with pytest.raises(SnnlabError, match="older snnlab.*train the network again"):
            read(tmp_path / "c.pt")


def test_a_rounded_network_is_rounded_in_its_file(tmp_path):
    whole = discretise(DelayNet(4, (3,), 2, max_delay=5, tau=1.5))
    checkpoints.save(tmp_path / "c.pt", network=whole.config, best=whole.state_dict())
    again, x = (
        checkpoints.load_network(tmp_path / "c.pt")[0],
        torch.poisson(torch.full((9, 2, 4), 0.5)),
    )
    assert all(layer.discrete for layer in delay_layers(again).values())
    assert torch.equal(again(x), whole(x))


def test_reading_draws_no_random_numbers_but_those_of_one_network(content, tmp_path):
    torch.save(content, tmp_path / "c.pt")
    drawn = []
    for make in (
        lambda: checkpoints.load_network(tmp_path / "c.pt")[0],
        lambda: NetworkConfig.from_dict(content["network"]).build(),
    ):
        torch.manual_seed(0)
        make()
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


def test_fit_records_the_length_of_a_step(content, tmp_path):
    torch.save(content, tmp_path / "c.pt")
    config = checkpoints.load_network(tmp_path / "c.pt")[0].config
    assert content["network"]["dt_ms"] == config.dt_ms == 10.0
    with pytest.raises(SnnlabError, match="another network: dt_ms = 10.0 instead of 20.0"):
        checkpoints.load(tmp_path / "c.pt", network=replace(config, dt_ms=20))
