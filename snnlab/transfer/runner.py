"""Going through the stages of a plan, with a hand-over wherever the network is another one."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.data.batches.samplers import SINGLE, RankInfo
from snnlab.data.protocols import Batches, Data
from snnlab.nn.vision import SmallCNN, VisionNet, build
from snnlab.nn.weight_transfer import TransferReport, copy_weights, reestimate_batch_norm, under
from snnlab.training.callbacks import Callback
from snnlab.training.distributed import all_reduce_scalar, rank_and_world_size, synchronised
from snnlab.training.launch import train_pool
from snnlab.training.trainer import evaluate, fit, pick_device, work_clock
from snnlab.transfer.conversion import Converted
from snnlab.transfer.outcomes import StageOutcome, TransferOutcome
from snnlab.transfer.pipelines import Plan
from snnlab.transfer.stages import Stage

REESTIMATE_BATCHES = 10
Task = Mapping[str, Data]  # data sets by name


@persistent_workers()
@memory_errors("training")
def train_plan(
    plan: Plan,
    data: Task,
    folder: Path,
    callbacks: Sequence[Callback] = (),
) -> TransferOutcome:
    """Go through the stages of a plan, and score the network that comes out on the test set.

    Several processes train it together where each calls this with the same arguments; see `fit`.

    Args:
        plan: the stages; the first one names its network.
        data: the sets that the stages name.
        folder: where each stage leaves a checkpoint and its metrics, from which a killed run goes
            on.
        callbacks: see `fit`, which calls them in each stage.

    Raises:
        SnnlabError: as `fit` and `copy_weights`, a stage names an unknown data set, or the first
            one no network.
    """
    for stage in plan.stages:
        known(stage.data, data, "data set")
    first = plan.stages[0]
    if first.network is None:
        raise SnnlabError(
            f"{plan.name}: the first stage, {first.name!r}, names no network to begin with."
        )
    before: VisionNet | None = None
    done: list[StageOutcome] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        for number, stage in enumerate(plan.stages):
            sets = data[stage.data]
            path = folder / f"{plan.name}-{number}.pt"
            net, outcome = _train_stage(before, stage, sets, path, callbacks)
            done.append(outcome)
            before = net
    with stage.autocast(pick_device(stage.device)):
        test = evaluate(net, sets.test).accuracy
        valid = evaluate(net, sets.valid).accuracy
    return TransferOutcome(plan, done, valid, test, net.cpu().eval())


def train_plans(
    plans: Sequence[Plan], data: Task, folder: Path, **options: Any
) -> list[TransferOutcome]:
    """`train_plan` for each, several at a time; see `snnlab.training.launch.train_pool`."""
    return train_pool(plans, train_plan, data, folder, **options)


def _train_stage(
    before: VisionNet | None,
    stage: Stage,
    sets: Data,
    path: Path,
    callbacks: Sequence[Callback],
) -> tuple[VisionNet, StageOutcome]:
    """The network as a stage leaves it, and what the stage did; `before` is that of the stage before, None for the first."""
    device = pick_device(stage.device)
    net, report = _arrived(before, stage)
    copied = reestimated = None
    seconds = 0.0
    if stage.convert:
        net, seconds = _converted(net, sets.train, stage, device)
    stage.enter(net.to(device), 0.0)
    if before is not None:
        with stage.autocast(device):
            copied = evaluate(net, sets.valid).accuracy
            # The converter merges batch norm into the weights
            if stage.reestimate and not stage.convert:
                seconds = _reestimate(net, sets.train, stage, device)
                reestimated = evaluate(net, sets.valid).accuracy
    history = _fit(net, sets, stage, path, callbacks) if stage.epochs else []
    return net, StageOutcome(stage, history, report, copied, reestimated, seconds, path)


def _arrived(before: VisionNet | None, stage: Stage) -> tuple[VisionNet, TransferReport | None]:
    """The network that a stage begins with, and what was handed over to it if it is a new one."""
    if stage.network is None:
        assert before is not None
        return before, None
    net = build(stage.network)
    return net, None if before is None else copy_weights(
        before, net, leave=stage.leave, first=stage.first
    )


def _converted(
    net: VisionNet, train: Batches, stage: Stage, device: torch.device
) -> tuple[VisionNet, float]:
    """What SpikingJelly's converter makes of a network, and the seconds of work that it took."""
    assert stage.convert
    started = work_clock(device)
    made = Converted(cast(SmallCNN, net), some_inputs(train, stage, device), stage.convert)
    return made, work_clock(device) - started


def _reestimate(net: VisionNet, train: Batches, stage: Stage, device: torch.device) -> float:
    """Measure a network's batch-norm statistics anew; returns the seconds of work of all processes."""
    started = work_clock(device)
    with synchronised(net):
        reestimate_batch_norm(net, some_inputs(train, stage, device, part=rank_and_world_size()))
    return all_reduce_scalar(work_clock(device) - started)


def _fit(
    net: VisionNet,
    sets: Data,
    stage: Stage,
    path: Path,
    callbacks: Sequence[Callback],
) -> list[dict[str, float]]:
    """Train a network for the epochs of a stage; returns what was measured in each."""
    with trained(net, stage.only):
        result = fit(
            net,
            sets.train,
            sets.valid,
            stage,
            checkpoint=path,
            metrics=path.with_suffix(".jsonl"),
            progress=False,
            callbacks=callbacks,
        )
    stage.enter(net)  # a stage that was finished before has seen no epoch now
    return result.history


def some_inputs(
    train: Batches, stage: Stage, device: torch.device, *, part: RankInfo = SINGLE
) -> list[Tensor]:
    """A few batches, or a part of each, to estimate batch-norm statistics from."""
    order = torch.Generator().manual_seed(stage.seed)
    batches = train.batches(stage.batch_size, generator=order, part=part)
    return [x.to(device) for x, _ in islice(batches, REESTIMATE_BATCHES)]


@contextlib.contextmanager
def trained(net: nn.Module, only: Sequence[str]) -> Iterator[None]:
    """Let only the parameters under these names be trained; () for all that are.

    Raises:
        SnnlabError: a name matches no parameter.
    """
    names = [name for name, _ in net.named_parameters()]
    for prefix in only:
        if not any(under(name, prefix) for name in names):
            raise SnnlabError(f"only: nothing in {type(net).__name__} is called {prefix!r}.")
    frozen = [
        p
        for name, p in net.named_parameters()
        if only and p.requires_grad and not any(under(name, o) for o in only)
    ]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
