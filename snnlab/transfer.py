"""pipe-S and pipe-D of Lin et al. 2022 as sequences of stages, and what they are compared with.

A stage trains one network in one mode on one data set. Where the next stage names another network, the parameters are
handed over; where it names another mode, they stay where they are. Every stage is a recipe for `snnlab.training.fit`, so a
killed run goes on from its last epoch.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from snnlab import checkpoints
from snnlab.activations import Mode, activations, sharpened
from snnlab.conversion import Converted
from snnlab.data.order import WHOLE, Part
from snnlab.distributed import own_part, synchronised, total
from snnlab.errors import SnnlabError
from snnlab.handover import HandOver, hand_over, reestimate_batch_norm, under
from snnlab.moments import Moment
from snnlab.parameters import known
from snnlab.side_by_side import Tick, run_all
from snnlab.training import Batches, Data, Keep, Recipe, check_numbers, evaluate, fit, pick_device, work_clock
from snnlab.vision import KINDS, SmallCNN, VisionNet, build

REESTIMATE_BATCHES = 10
Optimiser = Literal["adam", "sgd"]
Schedule = Literal["cosine", "constant"]
Precision = Literal["float32", "bfloat16"]
Task = Mapping[str, Data]  # data sets by name


@dataclass(frozen=True)
class Stage(Recipe):
    """One stage: Adam or SGD on every trainable parameter, the rate falling as half a cosine from step to step.

    A stage of 0 epochs only hands over and looks how well that does.
    """

    name: str = ""
    mode: Mode = "lif"
    steps: int = 1  # for how many time steps an image is shown
    lr: float = 1e-2
    network: dict[str, Any] | None = None  # `config` of a network; None for that of the stage before
    data: str = "target"
    convert: Literal["", "rate", "balanced"] = ""  # through SpikingJelly's converter; see `snnlab.conversion`
    levels: int = 1  # of the mode "quantised"
    sharpen: bool = False  # from the ReLU1 to a step, epoch by epoch; for the mode "ramp"
    leave: tuple[str, ...] = ()  # what is not handed over
    first: str = ""  # see `hand_over`
    reestimate: bool = True  # batch-norm statistics before the first epoch, if weights came from elsewhere
    only: tuple[str, ...] = ()  # prefixes of the parameters that are trained: a warm-up; () for all
    optimiser: Optimiser = "adam"
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    drops: tuple[int, ...] = ()  # epochs from which the rate is multiplied by `drop`, once each
    drop: float = 0.3
    twins: tuple[int, ...] = ()  # validate the spiking twin of these many steps after every epoch, too
    precision: Precision = "float32"  # of convolutions and matrix products; membranes and parameters stay in float32
    keep: Keep = "last"  # the rate ends at 0, and a ramp is only sharp at the end

    def __post_init__(self) -> None:
        check_numbers(self, low=0, names=("epochs", "lr", "weight_decay"))
        check_numbers(self, low=1, names=("batch_size", "accumulate", "steps", "levels"))
        known(self.optimiser, get_args(Optimiser), "optimiser")
        known(self.schedule, get_args(Schedule), "schedule")
        known(self.precision, get_args(Precision), "precision")

    def optimisers(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """One, for every parameter that may change."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        if self.optimiser == "sgd":
            return [torch.optim.SGD(parameters, lr=self.lr, momentum=0.9, weight_decay=self.weight_decay)]
        return [torch.optim.Adam(parameters, lr=self.lr, weight_decay=self.weight_decay, fused=True)]

    def enter(self, model: VisionNet, share: float = 1.0) -> dict[str, float]:
        """Put a network into the mode that it has after a share of the epochs; returns where its ramp begins and ends."""
        low, high = sharpened(share) if self.sharpen else (0.0, 1.0)
        model.set_mode(self.mode, steps=self.steps, low=low, high=high, levels=self.levels)
        return {"low": low, "high": high} if self.mode == "ramp" else {}

    def before_epoch(self, model: VisionNet, epoch: int) -> dict[str, float]:
        """Sharpen the ramp."""
        return self.enter(model, (epoch + 1) / self.epochs)

    def before_step(self, model: nn.Module, optimisers: list[torch.optim.Optimizer], done: float) -> None:
        """Set the learning rate."""
        share = (1 + math.cos(math.pi * done)) / 2 if self.schedule == "cosine" else 1.0
        share *= self.drop ** sum(done >= epoch / self.epochs for epoch in self.drops)  # 15 / 22 * 22 is below 15
        for group in optimisers[0].param_groups:
            group["lr"] = self.lr * share

    def after_epoch(self, model: VisionNet, valid: Batches) -> dict[str, float]:
        """Validate the spiking twins: the same parameters, other activations."""
        return {f"twin_{steps}_accuracy": zero_shot(model, valid, steps=steps) for steps in self.twins}

    def autocast(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """torch's mixed precision; bfloat16 has the range of float32, so gradients need no scaling."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def time_steps(self, x: Tensor) -> int:
        return len(x) * self.steps


@dataclass(frozen=True)
class Plan:
    """Stages that lead to one trained network. The seed decides first weights and data order of all of them."""

    name: str
    recipe: str
    stages: tuple[Stage, ...]

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    @property
    def seed(self) -> int:
        return self.stages[0].seed


@dataclass(frozen=True)
class StageOutcome:
    """What a stage did. Accuracies are on its validation set, before its first epoch."""

    stage: Stage
    history: list[dict[str, float]]
    handed_over: HandOver | None  # None where the network stayed the same
    copied_accuracy: float | None  # None for the first stage
    reestimated_accuracy: float | None  # with new batch-norm statistics
    arrival_seconds: float  # of work (see `work_clock`) to convert the network or measure its batch norm anew
    checkpoint: Path

    def network(self) -> VisionNet:
        """The network as this stage left it, in evaluation mode and its own mode; not for a converted one."""
        content = checkpoints.load(self.checkpoint)
        net = build(content["network"])
        net.load_state_dict(content["best"])
        self.stage.enter(net)
        return net.eval()

    @property
    def cpu_seconds(self) -> float:
        """CPU time of its training steps, and of converting it or making batch-norm statistics anew."""
        return self.arrival_seconds + sum(line["cpu_seconds"] for line in self.history)

    @property
    def sample_timesteps(self) -> int:
        """Time steps of all samples that it trained on."""
        return int(sum(line["sample_timesteps"] for line in self.history))


@dataclass(frozen=True)
class TransferOutcome:
    """What became of a plan."""

    plan: Plan
    stages: list[StageOutcome]
    valid_accuracy: float
    test_accuracy: float
    net: VisionNet  # as it came out, in evaluation mode and the mode of the last stage

    def curve(self, *, pretraining: bool = True) -> tuple[list[float], list[float]]:
        """CPU seconds spent after each epoch of the last stage, and the validation accuracy there.

        Args:
            pretraining: whether the clock runs from the first stage on, or only from the last.
        """
        *before, last = self.stages
        spent = last.arrival_seconds + (sum(stage.cpu_seconds for stage in before) if pretraining else 0.0)
        times, accuracies = [], []
        found = last.copied_accuracy if last.reestimated_accuracy is None else last.reestimated_accuracy
        if found is not None:  # what the hand-over alone is worth
            times.append(spent)
            accuracies.append(found)
        for line in last.history:
            spent += line["cpu_seconds"]
            times.append(spent)
            accuracies.append(line["valid_accuracy"])
        return times, accuracies

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the training, pretraining included."""
        return sum(stage.cpu_seconds for stage in self.stages)

    @property
    def sample_timesteps(self) -> int:
        """Time steps of all samples of the training, pretraining included."""
        return sum(stage.sample_timesteps for stage in self.stages)


def train_plan(
    plan: Plan,
    data: Task,
    folder: Path,
    tick: Tick | None = None,
    *,
    on_batch: Callable[[Moment], object] | None = None,
) -> TransferOutcome:
    """Go through the stages of a plan, and score the network that comes out on the test set.

    Several processes train it together where each calls this with the same arguments; see `fit`.

    Args:
        plan: the stages; the first one names its network.
        data: the sets that the stages name.
        folder: where each stage leaves a checkpoint and its metrics, from which a killed run goes on.
        tick: told how many epochs have just become finished.
        on_batch: see `fit`; one stage follows the other.

    Raises:
        SnnlabError: as `fit` and `hand_over`, a stage names an unknown data set, or the first one no network.
    """
    net: VisionNet | None = None
    done: list[StageOutcome] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        for number, stage in enumerate(plan.stages):
            sets, device = data[known(stage.data, data, "data set")], pick_device(stage.device)
            before, report = net, None
            if stage.network is not None:
                net = build(stage.network)
                if before is not None:
                    report = hand_over(before, net, leave=stage.leave, first=stage.first)
            if net is None:
                raise SnnlabError(f"{plan.name}: the first stage, {stage.name!r}, names no network to begin with.")
            copied = reestimated = None
            clock = 0.0
            if stage.convert:
                started = work_clock(device)
                net = Converted(cast(SmallCNN, net), some_inputs(sets.train, stage, device), stage.convert)
                clock = work_clock(device) - started
            stage.enter(net.to(device), 0.0)
            if before is not None:
                with stage.autocast(device):
                    copied = evaluate(net, sets.valid).accuracy
                    if stage.reestimate and not stage.convert:  # the converter merges batch norm into the weights
                        started = work_clock(device)
                        with synchronised(net):
                            reestimate_batch_norm(net, some_inputs(sets.train, stage, device, part=own_part()))
                        clock = total(work_clock(device) - started)
                        reestimated = evaluate(net, sets.valid).accuracy
            path = folder / f"{plan.name}-{number}.pt"
            history: list[dict[str, float]] = []
            if stage.epochs:
                with trained(net, stage.only):
                    history = fit(
                        net,
                        sets.train,
                        sets.valid,
                        stage,
                        checkpoint=path,
                        metrics=path.with_suffix(".jsonl"),
                        progress=False,
                        on_epochs=tick,
                        on_batch=on_batch,
                    ).history
                stage.enter(net)  # a stage that was finished before has seen no epoch now
            done.append(StageOutcome(stage, history, report, copied, reestimated, clock, path))
    assert net is not None
    with stage.autocast(device):
        test = evaluate(net, sets.test).accuracy
        valid = evaluate(net, sets.valid).accuracy
    return TransferOutcome(plan, done, valid, test, net.cpu().eval())


def train_plans(plans: Sequence[Plan], data: Task, folder: Path, **options: Any) -> list[TransferOutcome]:
    """`train_plan` for each, several at a time; see `snnlab.side_by_side.run_all`."""
    return run_all(plans, train_plan, data, folder, **options)


def zero_shot(net: VisionNet, data: Batches, *, steps: int, mode: Mode = "lif") -> float:
    """The accuracy of the same parameters with other activations; the network is left as it was."""
    found = [activation for _, activation in activations(net)]
    before = [(a.mode, a.low, a.high, a.levels) for a in found]
    shown = net.steps
    try:
        return evaluate(net.set_mode(mode, steps=steps), data).accuracy
    finally:
        net.steps = shown
        for activation, state in zip(found, before, strict=True):
            activation.mode, activation.low, activation.high, activation.levels = state


def some_inputs(train: Batches, stage: Stage, device: torch.device, *, part: Part = WHOLE) -> list[Tensor]:
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
        p for name, p in net.named_parameters() if only and p.requires_grad and not any(under(name, o) for o in only)
    ]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


# What is compared. `common` is what all stages share: batch_size, seed, device.


def scratch(recipe: str, network: dict[str, Any], *, mode: Mode = "lif", **settings: Any) -> Plan:
    """No pretraining: the spiking network from its first weights."""
    return plan(recipe, Stage(name="train", network=network, mode=mode, **settings))


def pipe_s(
    recipe: str,
    network: dict[str, Any],
    *,
    source: Literal["sharpened", "relu1", "one step"] = "sharpened",
    twins: tuple[int, ...] = (),
    **settings: Any,
) -> Plan:
    """pipe-S: an ANN whose ReLU is sharpened to a step, the same parameters in the spiking network, a short fine-tuning.

    The controls are other sources: a ReLU1 that stays as it is, and a spiking network of a single step, which is no ANN.
    `settings` are those of `fine_tuned`.
    """
    mode: Mode = "lif" if source == "one step" else "ramp"
    ann = dict(mode=mode, sharpen=source == "sharpened", twins=twins)
    return fine_tuned(recipe, network, ann, dict(mode="lif"), **settings)


def modern(recipe: str, network: dict[str, Any], *, steps: int, **settings: Any) -> Plan:
    """What one would take today: a quantised ANN (QCFS) and soft-reset neurons that fire at exactly its levels.

    `settings` are those of `fine_tuned`.
    """
    # nothing changes but the activation, and that hardly: the statistics of the pretraining are the better ones
    snn = dict(mode="soft", reestimate=False)
    return fine_tuned(recipe, network, dict(mode="quantised", levels=steps), snn, steps=steps, **settings)


def converted(
    recipe: str, network: dict[str, Any], *, how: Literal["rate", "balanced"] = "rate", **settings: Any
) -> Plan:
    """An ordinary ReLU network through SpikingJelly's converter, and the same fine-tuning.

    `settings` are those of `fine_tuned`.
    """
    return fine_tuned(
        recipe, network | {"analogue": "relu"}, dict(mode="relu"), dict(mode="soft", convert=how), **settings
    )


def fine_tuned(
    recipe: str,
    network: dict[str, Any],
    ann: dict[str, Any],
    snn: dict[str, Any],
    *,
    steps: int,
    pretrain_epochs: int,
    epochs: int,
    lr: float,
    fine_tune_lr: float,
    schedule: Schedule = "cosine",
    drops: tuple[int, ...] = (),
    drop: float = 0.3,
    **common: Any,
) -> Plan:
    """Two stages of one network: an ANN, and the spiking network that it becomes, trained on for a short while.

    Args:
        recipe: its name.
        network: `config` of both.
        ann, snn: what else the two stages are told, their mode first.
        steps: T of the spiking network.
        pretrain_epochs, epochs: of the two stages.
        lr, fine_tune_lr: their rates.
        schedule: of the ANN.
        drops, drop: epochs of the fine-tuning from which its rate is multiplied by `drop`; without any it falls as a cosine.
        common: what both share: batch_size, seed, device, optimiser, precision.
    """
    first: dict[str, Any] = dict(network=network, epochs=pretrain_epochs, lr=lr, schedule=schedule) | ann
    second: dict[str, Any] = dict(steps=steps, epochs=epochs, lr=fine_tune_lr, **falling(drops, drop)) | snn
    return plan(recipe, Stage(name="pretrain", **first, **common), Stage(name="fine-tune", **second, **common))


def pipe_d(
    recipe: str,
    source: dict[str, Any],
    network: dict[str, Any],
    *,
    data: str,
    pretrain_epochs: int,
    warm_up_epochs: int,
    liaf_epochs: int,
    lif_epochs: int,
    lr: float,
    leave: tuple[str, ...] = (),
    first: str = "signed",
    warm_up: tuple[str, ...] = (),
    schedule: Schedule = "cosine",
    on_events: Mapping[str, Any] = MappingProxyType({}),
    **common: Any,
) -> Plan:
    """pipe-D: an ANN on pictures, its parameters in a network for events, first with analogue output (LIAF), then spiking.

    Args:
        recipe: its name.
        source, network: `config` of the network for pictures, and of the one for ON and OFF events.
        data: the set of pictures; events are the set "target".
        pretrain_epochs, warm_up_epochs, liaf_epochs, lif_epochs: of each stage; 0 epochs of LIAF or LIF leave it out.
        lr: rate of every stage; half of it for LIF after LIAF.
        leave, first: see `hand_over`; a last layer for other classes is left in any case.
        warm_up: what is new, and trained alone at first; () for the first layer and the head.
        schedule: of the ANN.
        on_events: further settings of the stages on events, such as those of `falling`.
        common: what all stages share: batch_size, seed, device, precision, weight_decay.
    """
    mode: Mode = "liaf" if liaf_epochs else "lif"
    kind = KINDS[network["kind"]]
    warm_up = warm_up or kind.FIRST + kind.HEAD
    if source["classes"] != network["classes"]:
        leave = tuple({*leave, kind.HEAD[-1]})
    ann: dict[str, Any] = dict(network=source, mode="relu", data=data, epochs=pretrain_epochs, lr=lr, schedule=schedule)
    stages = [Stage(name="pretrain", **ann, **common)]
    common |= on_events
    arrive = dict(network=network, leave=leave, first=first, mode=mode, lr=lr, **common)
    if warm_up_epochs:
        stages.append(Stage(name="warm up", epochs=warm_up_epochs, only=warm_up, **arrive))
        arrive = dict(mode=mode, lr=lr, reestimate=False, **common)
    if liaf_epochs:
        stages.append(Stage(name="LIAF", epochs=liaf_epochs, **arrive))
        arrive = dict(mode="lif", lr=lr / 2, **common)
    if lif_epochs:
        stages.append(Stage(name="LIF", epochs=lif_epochs, **(arrive | {"mode": "lif"})))
    return plan(recipe, *stages)


def falling(drops: tuple[int, ...], drop: float) -> dict[str, Any]:
    """A stage's settings for a rate that is multiplied by `drop` at these epochs, or falls as a cosine if there are none."""
    return dict(schedule="constant" if drops else "cosine", drops=drops, drop=drop)


def plan(recipe: str, *stages: Stage) -> Plan:
    """Stages under a name that no other plan of the same recipe, rate and seed has."""
    return Plan(f"{recipe}-lr{stages[0].lr:g}-seed{stages[0].seed}", recipe, stages)
