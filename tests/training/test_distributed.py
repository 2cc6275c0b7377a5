"""One training by several processes: the numbers of one process, one history, and nobody waits.

A process takes seconds to start, so two of them go through many checks at once; the tests look at
what they bring back.
"""

import json
import multiprocessing
import os
import signal
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from bars import COMMON, NET, images, same_fits
from resumed import STEPS, Stop, delays, stopping
from spikingjelly.activation_based import layer
from torch import distributed as dist
from torch import nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.samplers import SINGLE
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.any_network import delay_layers
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.weight_transfer import reestimate_batch_norm
from snnlab.training import checkpoints, distributed, launch, trainer
from snnlab.training.callbacks import EpochCounter
from snnlab.training.distributed import (
    SyncBatchNorm,
    all_reduce_scalar,
    own_seed,
    rank_and_world_size,
    synchronised,
)
from snnlab.training.evaluation import evaluate, pick_device
from snnlab.training.experiments import run_experiment, run_experiments
from snnlab.training.launch import train_pool
from snnlab.training.recipe import Recipe
from snnlab.training.state import TrainState
from snnlab.training.trainer import fit
from snnlab.transfer.pipelines import pipe_s
from snnlab.transfer.stages import Stage, some_inputs

CLOCKS = ("seconds", "cpu_seconds")
# 8 + 8 + 8 + 3: the last batch is odd, and its parts are 2 and 1
TRAIN, VALID = images(27, 0), images(17, 1)
TASK = {"target": DataSplits(TRAIN, VALID, images(30, 2))}
PLAN = pipe_s(
    "pipe",
    NET,
    steps=2,
    pretrain_epochs=2,
    epochs=2,
    lr=2e-2,
    fine_tune_lr=1e-2,
    twins=(2,),
    **COMMON,
)
LAGS = DataSplits(*(interaural_lags(n, seed=s, steps=20) for s, n in enumerate((42, 30, 31))))


pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True)
class Job:
    name: str
    epochs: int = 0


def trained(folder, **changes):
    """A spiking network with batch norm after two epochs, trained by however many processes this is
    one of."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(
        rank_and_world_size()[0]
    )  # process 1 begins elsewhere, and has to be brought to where process 0 is
    net = NET.build().set_mode("lif", steps=3)
    stage = Stage(**COMMON | dict(epochs=2, lr=0.1, steps=3, optimiser="sgd", name="fit") | changes)
    told = []
    paths = {
        kind: folder / f"{rank_and_world_size()[0]}.{kind}" for kind in ("checkpoint", "metrics")
    }
    callbacks = [EpochCounter(told.append)]
    result = fit(net, TRAIN, VALID, stage, progress=False, callbacks=callbacks, **paths)
    types = [type(module) for module in net.modules()]
    return dict(state=net.state_dict(), history=result.history, told=told, types=types)


def delayed():
    """The same of a network with delays, whose recordings differ in length, and two optimisers."""
    torch.manual_seed(0)
    net = DelayNet(16, (6,), 5, max_delay=8, tau=1.5, dropout=0.0)
    result = fit(
        net,
        LAGS.train,
        LAGS.valid,
        DelayRecipe(epochs=2, batch_size=16, kept_share=0.5, delay_pull=0.01, device="cpu"),
        progress=False,
    )
    return dict(state=net.state_dict(), history=result.history)


def patient():
    """How many epochs a network is trained that stops after the first that is no better."""
    torch.manual_seed(0)
    net = DelayNet(16, (6,), 5, max_delay=8, tau=1.5, dropout=0.0)
    recipe = DelayRecipe(epochs=40, batch_size=16, patience=1, anneal_share=0.0, device="cpu")
    return len(fit(net, LAGS.train, LAGS.valid, recipe, progress=False).history)


def handed(folder):
    """A spiking network that has the parameters of an ANN, and statistics of its own."""
    pretrain, tune = PLAN.stages
    outcome = run_experiment(
        replace(PLAN, stages=(pretrain, replace(tune, epochs=0))), TASK, folder
    )
    last = outcome.stages[1]
    return outcome.net.state_dict(), (
        last.start.copied_accuracy,
        last.start.reestimated_accuracy,
        last.cpu_seconds,
    )


def pretrained(folder):
    """A ReLU network, and a spiking one that has its weights and delays and does not learn."""
    network = DelayNetConfig(n_in=16, hidden=(6, 5), n_classes=5, max_delay=8, tau=1.005)
    recipe = dict(epochs=1, batch_size=16, keep="last", sharpen=0.8, device="cpu")
    relu = replace(network, neuron="relu")
    first = DelayStage(name="relu", network=relu, test_each_epoch=True, **recipe)
    recipe |= dict(anneal_share=0.0, lr_weights=0.0, lr_delays=0.0)
    second = DelayStage(name="lif", network=network, **recipe)
    return run_experiment(delay_experiment(first, second), LAGS, folder)


def stopped(folder):
    """Delays, trained again after a stop in the second epoch, and without one; they have dropout of
    their own."""
    path = folder / "delays.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "train_step", partial(stopping, [STEPS + 3], trainer.train_step))
        with pytest.raises(Stop):
            delays(path, save_every=0)
    dist.barrier()  # process 0 has written
    place = checkpoints.load(path)["under_way"]
    dist.barrier()
    return place, delays(path), delays(None)


def dropped():
    """Of 64 ones, those that dropout leaves in an epoch's first step."""
    kept = []

    class Plain(Recipe):
        def optimisers(self, model):
            return [torch.optim.SGD(model.parameters(), lr=0.1)]

    class Dropping(nn.Module):
        config: dict = {}  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.scores = nn.Parameter(torch.zeros(3))

        def forward(self, x):
            kept.append(F.dropout(torch.ones(64), 0.5, self.training) > 0)
            return self.scores.expand(x.shape[1], 3)

    fit(Dropping(), TRAIN, VALID, Plain(epochs=1, **COMMON), progress=False)
    return kept[0]


def scored():
    """Predictions of a network that is sure of itself, in more batches than one, the last of a
    single sample."""
    torch.manual_seed(2)
    net = NET.build().set_mode("relu")
    with torch.no_grad():
        net.fc.weight.mul_(30)
        net.fc.bias.zero_()
    return evaluate(net, VALID, batch_size=4)


def statistics():
    torch.manual_seed(0)
    net = NET.build().set_mode("lif", steps=3)
    stage = Stage(epochs=1, **COMMON)
    with synchronised(net):
        reestimate_batch_norm(
            net, some_inputs(TRAIN, stage, torch.device("cpu"), part=rank_and_world_size())
        )
    return net.state_dict()


def normalised(kind, shape, momentum, dtype=torch.float32):
    """Output, gradients and running statistics of a batch norm after two batches, of which this
    process has a part."""
    number, processes = rank_and_world_size()
    generator = torch.Generator().manual_seed(1)
    norm = kind(shape[1], momentum=momentum).to(dtype)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(shape[1], generator=generator) + 0.5)
        norm.bias.copy_(torch.randn(shape[1], generator=generator))
    for _ in range(2):
        # A mean far above the spread
        x = (100 + 3 * torch.randn(shape, generator=generator)).to(dtype)
        given = torch.randn(shape, generator=generator).to(dtype)
        x, given = x[number::processes].clone().requires_grad_(), given[number::processes]
        y = norm(x)
        norm.zero_grad()
        (y * given + y.square() * given.abs()).sum().backward()
    gradients = [
        distributed.all_reduce_sum(norm.weight.grad),
        distributed.all_reduce_sum(norm.bias.grad),
    ]
    return [
        y.detach(),
        x.grad,
        *gradients,
        norm.running_mean,
        norm.running_var,
        norm.num_batches_tracked,
    ]


NORMS = [((7, 3, 4, 5), 0.1), ((7, 3, 4, 5), None), ((9, 4), 0.3)]


def everything(job, data, folder, callbacks):
    """All that two processes are asked; process 1 leaves what it found in a file."""
    number, processes = rank_and_world_size()
    found = dict(
        part=(number, processes),
        trained=trained(folder / "fit"),
        halved=trained(folder / "half", precision="bfloat16"),
        delayed=delayed(),
        patient=patient(),
        scored=vars(scored()),
        statistics=statistics(),
        norms=[normalised(SyncBatchNorm, *asked) for asked in NORMS],
        seeds=(own_seed(5), own_seed(6)),
        all_reduce_scalar=all_reduce_scalar(number + 0.5),
        begun=trained(folder / "zero", lr=0.0)["state"],
        dropped=dropped(),
        plan=run_experiment(PLAN, TASK, folder, callbacks),
        again=run_experiment(PLAN, TASK, folder / "killed"),
        pretrained=pretrained(folder),
        stopped=stopped(folder),
        handed=handed(folder / "handed"),
    )
    if number == 1:
        torch.save(found, folder / "second.pt")
    dist.barrier()
    return found


@dataclass(frozen=True)
class Killed(Stage):
    """Ends process 1 in the third step of its second epoch; a checkpoint was due after the first
    one."""

    def before_step(self, model, optimisers, done):
        super().before_step(model, optimisers, done)
        TrainState.due = lambda state: state.path is not None and done == 0.5
        if rank_and_world_size()[0] == 1 and done > 0.75:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Where two processes trained, below the folder `killed`, until one of them was."""
    folder = tmp_path_factory.mktemp("two")
    pretrain, tune = PLAN.stages
    plan = replace(PLAN, stages=(pretrain, Killed(**vars(tune))))
    others = set(multiprocessing.active_children())  # such as those that read files for other tests
    with pytest.raises(
        SnnlabError,
        match=f"one of the 2 processes that train {PLAN.name} died, perhaps for want of mem",
    ):
        run_experiments([plan], TASK, folder / "killed", processes=2)
    assert set(multiprocessing.active_children()) <= others
    found = [checkpoints.load(path) for path in sorted((folder / "killed").glob("*.pt"))]
    assert [len(content["history"]) for content in found] == [2, 1] and found[1]["under_way"][
        "batches"
    ] == 1
    return folder


@pytest.fixture(scope="module")
def two(killed):
    """What two processes found, process 0 first; and where they wrote."""
    (first,) = train_pool([Job("all", PLAN.epochs)], everything, None, killed, processes=2)
    return first, torch.load(killed / "second.pt", weights_only=False), killed


def close(a, b, tolerance):
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.allclose(value.double(), b[name].double(), rtol=tolerance, atol=tolerance), (
            name
        )


def without_clocks(history):
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in history]


def same_histories(a, b, tolerance):
    """Equal but for the clocks, and for losses that were added up in another order."""
    for x, y in zip(without_clocks(a), without_clocks(b), strict=True):
        assert (
            x == pytest.approx(y, rel=tolerance) and x["sample_timesteps"] == y["sample_timesteps"]
        )


def test_two_processes_know_each_other(two):
    first, second, _ = two
    assert [first["part"], second["part"]] == [(0, 2), (1, 2)]
    assert first["all_reduce_scalar"] == second["all_reduce_scalar"] == 0.5 + 1.5


def test_parameters_and_statistics_are_those_of_one_process(two, tmp_path):
    """To 1e-6 after eight steps, two of them on a batch of which one process has two samples and
    the other one."""
    first, second, _ = two
    alone = trained(tmp_path / "one")
    close(first["trained"]["state"], alone["state"], 1e-6)
    same_histories(first["trained"]["history"], alone["history"], 1e-5)
    assert alone["history"][0]["sample_timesteps"] == 27 * 3
    begun = NET.build().state_dict()
    assert any(
        not torch.allclose(value, begun[name], atol=1e-2) for name, value in alone["state"].items()
    )
    # Ordinary batch norm, afterwards
    assert first["trained"]["types"] == second["trained"]["types"] == alone["types"]


def test_both_processes_end_with_the_same_bits(two):
    first, second, _ = two
    for what in ("trained", "halved", "delayed"):
        for name, value in first[what]["state"].items():
            assert torch.equal(value, second[what]["state"][name]), (what, name)
        assert without_clocks(first[what]["history"]) == without_clocks(second[what]["history"])
    clocks = [
        [line["cpu_seconds"] for line in found["trained"]["history"]] for found in (first, second)
    ]
    assert clocks[0] == clocks[1] and min(clocks[0]) > 0  # of both together


def test_both_processes_stop_after_the_same_epoch(two):
    first, second, _ = two
    assert 1 < first["patient"] == second["patient"] == patient() < 40


def test_process_0_decides_where_to_begin_and_writes_alone(two):
    first, second, folder = two
    torch.manual_seed(0)
    begun = NET.build().state_dict()
    for found in (first, second):
        assert all(torch.equal(found["begun"][name], begun[name]) for name in begun if "fc" in name)
    assert sorted(path.name for path in (folder / "fit").iterdir()) == ["0.checkpoint", "0.metrics"]
    assert first["trained"]["told"] == [1, 1] and second["trained"]["told"] == []
    lines = [json.loads(line) for line in (folder / "fit" / "0.metrics").read_text().splitlines()]
    assert lines == first["trained"]["history"]
    kept = checkpoints.load(folder / "fit" / "0.checkpoint")
    assert all(
        torch.equal(value, first["trained"]["state"][name]) for name, value in kept["model"].items()
    )


def test_a_network_with_delays_is_that_of_one_process(two):
    """Its batch norm sees as many steps as its recordings have, which differ between the
    processes."""
    first, _, _ = two
    alone = delayed()
    close(first["delayed"]["state"], alone["state"], 1e-4)
    for x, y in zip(first["delayed"]["history"], alone["history"], strict=True):
        assert x["loss"] == pytest.approx(y["loss"], rel=1e-4)
        assert (x["train_accuracy"], x["valid_accuracy"]) == (
            y["train_accuracy"],
            y["valid_accuracy"],
        )


def test_bfloat16_goes_with_it(two, tmp_path):
    first, _, _ = two
    alone = trained(tmp_path / "one", precision="bfloat16")
    close(first["halved"]["state"], alone["state"], 2e-2)
    assert not torch.equal(
        first["halved"]["state"]["fc.weight"], first["trained"]["state"]["fc.weight"]
    )


def test_a_score_is_that_of_all_samples_in_their_order(two):
    first, second, _ = two
    alone = scored()
    for found in (first["scored"], second["scored"]):
        assert torch.equal(found["predictions"], alone.predictions) and torch.equal(
            found["labels"], VALID.labels
        )
        assert found["accuracy"] == alone.accuracy and found["loss"] == pytest.approx(
            alone.loss, rel=1e-6
        )
    assert len(alone.predictions.unique()) > 1  # or their order would not show


def test_statistics_made_anew_are_those_of_one_process(two):
    first, second, _ = two
    alone = statistics()
    close(first["statistics"], alone, 1e-6)
    assert all(
        torch.equal(value, second["statistics"][name])
        for name, value in first["statistics"].items()
    )
    assert alone["layers.0.1.num_batches_tracked"] == 4


def test_between_two_stages_each_process_takes_its_part(two, tmp_path):
    first, second, _ = two
    (state, (*accuracies, seconds)), (other, told) = first["handed"], second["handed"]
    alone, (*expected, _) = handed(tmp_path)
    close(state, alone, 1e-5)
    assert accuracies == expected and told == (*accuracies, seconds) and seconds > 0
    assert all(torch.equal(value, other[name]) for name, value in state.items())


@pytest.mark.parametrize("number", range(len(NORMS)))
def test_batch_norm_is_torchs_on_the_whole_batch(two, number):
    """Beside torch in double precision, for a mean far above the spread; as close to it as torch in
    single precision."""
    shape, momentum = NORMS[number]
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    first, second, _ = two
    exact = normalised(kind, shape, momentum, torch.double)
    for name, a, b, expected in zip(
        ("output", "input's gradient", "weight's", "bias's", "mean", "variance", "batches"),
        first["norms"][number],
        second["norms"][number],
        exact,
        strict=True,
    ):
        if a.shape == expected.shape:
            assert torch.equal(a, b), name
        else:  # of the samples that each had
            whole = torch.empty(shape)
            whole[0::2], whole[1::2] = a, b
            a = whole
        assert torch.allclose(
            a.double(), expected.double(), rtol=5e-6, atol=5e-6 * expected.abs().max()
        ), name


def test_dropout_differs_and_is_that_of_one_process_in_process_0(two):
    first, second, _ = two
    assert torch.equal(first["dropped"], dropped()) and not torch.equal(
        first["dropped"], second["dropped"]
    )
    assert first["seeds"] == (5, 6) == (own_seed(5), own_seed(6))
    assert len({*first["seeds"], *second["seeds"]}) == 4


def same_outcome(a, b):
    assert a.experiment == b.experiment and (a.valid_accuracy, a.test_accuracy) == (
        b.valid_accuracy,
        b.test_accuracy,
    )
    assert all(
        torch.equal(value, b.net.state_dict()[name]) for name, value in a.net.state_dict().items()
    )
    for x, y in zip(a.stages, b.stages, strict=True):
        assert without_clocks(x.history) == without_clocks(y.history)
        assert (x.start.copied_accuracy, x.start.reestimated_accuracy) == (
            y.start.copied_accuracy,
            y.start.reestimated_accuracy,
        )


def test_after_a_kill_in_the_middle_of_an_epoch_the_training_goes_on_with_the_same_bits(two):
    for found in two[:2]:
        same_outcome(found["again"], found["plan"])


def test_after_a_stop_each_process_goes_on_with_its_own_random_numbers(two):
    first, second, _ = two
    place, again, whole = first["stopped"]
    assert place["batches"] == 3 and len(place["random"]) == 2 and not torch.equal(*place["random"])
    same_fits(again, whole)
    for found in second["stopped"][1:]:
        same_fits(found, whole)


def test_weights_and_delays_are_handed_over_by_what_each_process_has(two):
    spiking = two[0]["pretrained"]
    for ours, theirs in zip(
        delay_layers(spiking.net).values(),
        delay_layers(spiking.stages[0].network()).values(),
        strict=True,
    ):
        torch.testing.assert_close(ours.weight, theirs.weight)
        torch.testing.assert_close(ours.delay, theirs.delay)


class Failing:
    """A training set that cannot be read by process 1."""

    def __init__(self, data):
        self.data = data
        self.labels = data.labels

    def __len__(self):
        return len(self.data)

    def index_batches(self, *args, **kwargs):
        return self.data.index_batches(*args, **kwargs)

    def batches(self, *args, part=SINGLE, **kwargs):
        if part[0] == 1:
            raise SnnlabError("the second half is missing.")
        return self.data.batches(*args, part=part, **kwargs)


def test_what_one_process_says_is_passed_on_and_no_other_waits_for_it(tmp_path):
    network = DelayNetConfig(n_in=16, hidden=(6,), n_classes=5, max_delay=8, tau=1.5)
    stage = DelayStage(name="delays", network=network, epochs=2, batch_size=16, device="cpu")
    others = set(multiprocessing.active_children())
    with pytest.raises(SnnlabError, match=r"^the second half is missing\.$"):
        run_experiments(
            [delay_experiment(stage)],
            replace(LAGS, train=Failing(LAGS.train)),
            tmp_path,
            processes=2,
        )
    assert set(multiprocessing.active_children()) <= others


class Member:
    """Stands for a process; its sentinel is ready once it has died."""

    exitcode = None

    def __init__(self):
        self.sentinel, self._end = multiprocessing.Pipe(duplex=False)

    def die(self):
        self._end.close()


@pytest.fixture
def members():
    """Two of them, with the ends of their pipes: ours, and theirs."""
    ours, theirs = zip(*(multiprocessing.Pipe() for _ in range(2)), strict=True)
    found = [Member(), Member()]
    yield found, ours, theirs
    for end in (*ours, *theirs):
        end.close()
    for member in found:
        member.die()
        member.sentinel.close()


def test_the_outcome_is_that_of_process_0_and_epochs_are_counted(members):
    found, ours, theirs = members
    told = []
    theirs[1].send(("done", "other"))
    for said in (("sent", 3), ("sent", 1), ("done", "mine")):
        theirs[0].send(said)
    assert launch._relay(list(ours), found, told.append, "who") == "mine" and told == [3, 1]


def test_an_error_is_raised_but_not_one_that_a_death_has_caused(members):
    found, ours, theirs = members
    theirs[0].send(("failed", RuntimeError("connection closed by peer")))
    with pytest.raises(RuntimeError, match="closed by peer"):
        launch._relay(list(ours), found, print, "who")
    theirs[0].send(("failed", RuntimeError("connection closed by peer")))
    found[1].die()
    with pytest.raises(SnnlabError, match="who died, perhaps for want of memory"):
        launch._relay(list(ours), found, print, "who")
    theirs[0].send(("failed", SnnlabError("mine")))
    with pytest.raises(SnnlabError, match="mine"):  # nobody's death makes one of these
        launch._relay(list(ours), found, print, "who")
    theirs[1].close()
    with pytest.raises(SnnlabError, match="who died, perhaps for want of memory"):
        launch._relay(list(ours), found, print, "who")


def test_alone_nothing_is_shared():
    net = NET.build()
    assert rank_and_world_size() == SINGLE and all_reduce_scalar(2.5) == 2.5 and own_seed(7) == 7
    with synchronised(net):
        assert not any(isinstance(module, SyncBatchNorm) for module in net.modules())


def test_batch_norms_are_put_back_after_an_error(monkeypatch):
    monkeypatch.setattr(distributed, "rank_and_world_size", lambda: (0, 2))
    net = NET.build()
    with pytest.raises(ZeroDivisionError), synchronised(net):
        assert sum(isinstance(module, SyncBatchNorm) for module in net.modules()) == 2
        raise ZeroDivisionError
    assert [type(module) for module in net.modules()] == [
        type(module) for module in NET.build().modules()
    ]


def test_a_batch_norm_of_another_kind_is_refused(monkeypatch):
    """SpikingJelly's folds time and batch by itself."""
    net = nn.Sequential(nn.BatchNorm2d(2), layer.BatchNorm2d(3, step_mode="m"))
    with synchronised(net):
        pass
    monkeypatch.setattr(distributed, "rank_and_world_size", lambda: (0, 2))
    with (
        pytest.raises(SnnlabError, match=r"spikingjelly.*BatchNorm2d: several processes cannot"),
        synchronised(net),
    ):
        pass
    assert type(net[0]) is nn.BatchNorm2d


def test_each_process_has_its_gpu(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert pick_device("auto") == torch.device("cuda") and chosen == []
    monkeypatch.setattr(distributed, "rank_and_world_size", lambda: (1, 2))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda") == torch.device("cuda", 1) and chosen == [1]
    assert pick_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SnnlabError, match="2 processes, but 1 GPU"):
        pick_device("auto")


def test_a_batch_has_a_sample_for_each_process(monkeypatch):
    monkeypatch.setattr("snnlab.training.trainer.rank_and_world_size", lambda: (0, 9))
    with pytest.raises(SnnlabError, match="batch_size = 8 of 27 samples for 9 processes"):
        fit(NET.build(), TRAIN, VALID, Stage(**COMMON, epochs=1), progress=False)
    monkeypatch.setattr("snnlab.training.trainer.rank_and_world_size", lambda: (0, 28))
    with pytest.raises(SnnlabError, match="batch_size = 32 of 27 samples for 28 processes"):
        fit(
            NET.build(),
            TRAIN,
            VALID,
            Stage(**COMMON | dict(batch_size=32), epochs=1),
            progress=False,
        )


def test_processes_and_workers_do_not_go_together(tmp_path):
    with pytest.raises(SnnlabError, match="processes = 0: expected a whole number from 1"):
        train_pool([], everything, None, tmp_path, processes=0)
    with pytest.raises(
        SnnlabError, match="workers = 2, processes = 2: .*one after another; leave workers out"
    ):
        train_pool([], everything, None, tmp_path, workers=2, processes=2)


def test_there_has_to_be_a_sample_to_score():
    with pytest.raises(SnnlabError, match="^data: has no sample"):
        evaluate(NET.build(), images(0, 0))
