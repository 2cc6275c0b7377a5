"""Experiments: a list of training stages, each of which begins with the network of the one before.

Each stage writes a checkpoint and its metrics, so a killed experiment resumes where it stopped.
"""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from snnlab._utils.errors import DivergedError, SnnlabError
from snnlab._utils.fields import known
from snnlab._utils.files import given_path
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.data.protocols import Data
from snnlab.nn.network_config import NetworkConfig
from snnlab.nn.weight_transfer import TransferReport, under
from snnlab.training import checkpoints
from snnlab.training.callbacks import Callback
from snnlab.training.evaluation import evaluate, pick_device
from snnlab.training.launch import train_pool
from snnlab.training.recipe import Recipe
from snnlab.training.trainer import fit

PARTS = ("train", "valid", "test")
Sets = Data | Mapping[str, Data]  # one data set, named "target", or several by name


@dataclass(frozen=True)
class StageStart:
    """What happened to the network before the first epoch of a stage.

    Attributes:
        report: which tensors were copied from the stage before; None where none were.
        copied_accuracy: validation accuracy with the weights of the stage before; None where it was
            not measured.
        reestimated_accuracy: the same with new batch-norm statistics.
        seconds: work (see `work_clock`) of converting the network or of these statistics.
    """

    report: TransferReport | None = None
    copied_accuracy: float | None = None
    reestimated_accuracy: float | None = None
    seconds: float = 0.0

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy at the start of the stage."""
        return (
            self.copied_accuracy if self.reestimated_accuracy is None else self.reestimated_accuracy
        )


@dataclass(frozen=True)
class ExperimentStage(Recipe):
    """A recipe together with the network that it trains.

    A subclass says how to build a network (`build`) and how the stage begins (`start`).
    """

    name: str = ""
    network: NetworkConfig | None = None  # None for the network of the stage before
    data: str = "target"  # name of the data set
    only: tuple[str, ...] = ()  # prefixes of the parameters that are trained; () for all
    test_each_epoch: bool = False  # adds `test_accuracy` to the history; nothing is chosen by it

    def __post_init__(self) -> None:
        """Check all fields."""
        super().__post_init__()
        if not (self.network is None or isinstance(self.network, NetworkConfig)):
            raise SnnlabError(
                f"network = {self.network!r}: expected a NetworkConfig such as DelayNetConfig, or "
                "None for the network of the stage before."
            )

    def build(self, network: NetworkConfig) -> Any:
        """Build a network from its description."""
        return network.build()

    def start(self, before: Any, sets: Data) -> tuple[Any, StageStart]:
        """Build or adapt the network with which this stage begins.

        Args:
            before: the network of the stage before; None for the first stage.
            sets: the data set of this stage.
        """
        raise NotImplementedError

    def file_name(self, experiment: str, number: int) -> str:
        """Name the files of this stage, without a suffix."""
        return f"{experiment}-{number}"


@dataclass(frozen=True)
class Experiment:
    """Training stages that lead to one network.

    Attributes:
        name: differs from the names of all experiments in the same folder.
        stages: in the order of training. The seed of the first one decides the first weights.
        label: what groups experiments that differ in rate or seed only.

    Example:
        >>> from snnlab import DelayNetConfig, DelayStage
        >>> network = DelayNetConfig(n_in=16, hidden=(8,), n_classes=5, max_delay=4)
        >>> shared = dict(network=network, batch_size=32)
        >>> first = DelayStage(name="first", epochs=2, **shared)
        >>> second = DelayStage(name="second", epochs=3, seed=1, **shared)
        >>> Experiment("two stages", (first, second)).epochs
        5

    Raises:
        SnnlabError: there is no stage, or two of them would write the same files.
    """

    name: str
    stages: tuple[ExperimentStage, ...]
    label: str = ""

    def __post_init__(self) -> None:
        """Check that there are stages, each with files of its own."""
        if not isinstance(self.stages, tuple | list):
            raise SnnlabError(
                f"{self.name}: stages = {type(self.stages).__name__}; expected a tuple of stages, "
                "such as (stage,)."
            )
        if not self.stages:
            raise SnnlabError(f"{self.name}: has no stage; expected one stage to train at least.")
        _check_files([self])

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def seed(self) -> int:
        """Seed of the first stage."""
        return self.stages[0].seed


@dataclass(frozen=True)
class StageResult:
    """What a stage did: its history has an entry an epoch, `seconds` are of the wall clock."""

    stage: ExperimentStage
    start: StageStart
    history: list[dict[str, float]]
    best_epoch: int  # the epoch that was kept
    checkpoint: Path
    seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        """The entry of the epoch that was kept; empty without epochs."""
        return self.history[self.best_epoch] if self.history else {}

    @property
    def cpu_seconds(self) -> float:
        """Seconds of work in the training steps and at the start; see `work_clock`."""
        return self.start.seconds + sum(line["cpu_seconds"] for line in self.history)

    @property
    def sample_timesteps(self) -> int:
        """Time steps of all samples that the stage trained on."""
        return int(sum(line["sample_timesteps"] for line in self.history))

    def network(self) -> Any:
        """Load the trained network, in evaluation mode.

        Raises:
            SnnlabError: the stage has no epoch, its file is missing or damaged, or a converter
                built the network.
        """
        if not self.history:
            raise SnnlabError(
                f"{self.stage.name}: a stage without epochs saves no network; the last one of an "
                "experiment is `net` of its result."
            )
        content = checkpoints.load(self.checkpoint)
        with checkpoints.as_written(self.checkpoint):
            net = self.stage.build(NetworkConfig.from_dict(content["network"]))
            net.load_state_dict(content["best"])
        self.stage.before_epoch(net, self.best_epoch)
        return net.eval()


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment led to.

    Attributes:
        experiment: what was run.
        stages: the result of each stage.
        valid_accuracy, test_accuracy: of the epoch that was kept, as the network is used: delays
            are rounded.
        net: the trained network on the CPU, in evaluation mode; its delays are not rounded.
    """

    experiment: Experiment
    stages: list[StageResult]
    valid_accuracy: float
    test_accuracy: float
    net: Any

    @property
    def last(self) -> StageResult:
        """The result of the last stage."""
        return self.stages[-1]

    @property
    def cpu_seconds(self) -> float:
        """Seconds of work of all stages."""
        return sum(stage.cpu_seconds for stage in self.stages)

    @property
    def sample_timesteps(self) -> int:
        """Time steps of all samples of all stages."""
        return sum(stage.sample_timesteps for stage in self.stages)

    def curve(self) -> tuple[list[float], list[float]]:
        """Return CPU seconds and validation accuracy after each epoch of the last stage.

        The clock starts with the first stage.

        Returns:
            The CPU seconds after each epoch, and the accuracies; with those at the start of the
            stage, if they were measured.
        """
        seconds = self.last.start.seconds + (self.cpu_seconds - self.last.cpu_seconds)
        times, accuracies = [], []
        if self.last.start.accuracy is not None:
            times.append(seconds)
            accuracies.append(self.last.start.accuracy)
        for line in self.last.history:
            seconds += line["cpu_seconds"]
            times.append(seconds)
            accuracies.append(line["valid_accuracy"])
        return times, accuracies

    def protocols(self) -> dict[str, float]:
        """Return the test accuracies of the last epoch, and of the best epoch on the test set.

        Other papers report them. The second one is the highest of many draws, so it is too high. It
        needs `test_each_epoch`.
        """
        accuracies = [line["test_accuracy"] for line in self.last.history]
        return {"last_epoch_accuracy": accuracies[-1], "best_on_test_accuracy": max(accuracies)}


@persistent_workers()
@memory_errors("training")
def run_experiment(
    experiment: Experiment,
    data: Sets,
    folder: str | Path,
    callbacks: Sequence[Callback] = (),
) -> ExperimentResult:
    """Train the stages of an experiment in turn, and evaluate the last network on the test set.

    Several processes train it together where each calls this with the same arguments; see `fit`.

    Args:
        experiment: the stages; the first one names its network.
        data: a data set, or those that the stages name.
        folder: where each stage writes a checkpoint and its metrics, from which a killed run
            resumes.
        callbacks: see `fit`, which calls them in each stage.

    Returns:
        The network, its accuracies, and the result of each stage.

    Raises:
        SnnlabError: as `fit` and the start of a stage, a stage names an unknown data set, or the
            first one has no network.

    Example:
        >>> import tempfile
        >>> from snnlab.data.datasets.toys import interaural_lags
        >>> from snnlab.data.splits import DataSplits
        >>> from snnlab.delays.experiments import DelayStage, delay_experiment
        >>> from snnlab.nn.delay_net_config import DelayNetConfig
        >>> data = DataSplits(*(interaural_lags(n, seed=n, steps=20) for n in (64, 32, 32)))
        >>> network = DelayNetConfig(16, (6,), 5, max_delay=8)
        >>> stage = DelayStage(name="lags", network=network, epochs=2, batch_size=16, device="cpu")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = run_experiment(delay_experiment(stage), data, Path(folder))
        >>> len(result.last.history), 0 <= result.test_accuracy <= 1
        (2, True)
    """
    _check_experiment(experiment)
    sets = data if isinstance(data, Mapping) else {"target": data}
    for stage in experiment.stages:
        known(stage.data, sets, "data set")
        if missing := [part for part in PARTS if not hasattr(sets[stage.data], part)]:
            raise SnnlabError(
                f"data: got {type(sets[stage.data]).__name__} without {', '.join(missing)}; "
                "expected DataSplits(train, valid, test), or several of them by name."
            )
    first, last = experiment.stages[0], experiment.stages[-1]
    if first.network is None:
        raise SnnlabError(
            f"{experiment.name}: the first stage, {first.name!r}, names no network to begin with."
        )
    net: Any = None
    results: list[StageResult] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.seed)
        for number, stage in enumerate(experiment.stages):
            path = given_path(folder) / f"{stage.file_name(experiment.name, number)}.pt"
            net, result = _run_stage(stage, net, sets[stage.data], path, callbacks)
            results.append(result)
    parts = sets[last.data]
    metrics = results[-1].metrics
    with last.autocast(pick_device(last.device)):
        valid, test = (
            metrics[key] if key in metrics else evaluate(last.as_used(net), part).accuracy
            for key, part in (("valid_accuracy", parts.valid), ("test_accuracy", parts.test))
        )
    return ExperimentResult(experiment, results, valid, test, net.cpu().eval())


def _run_stage(
    stage: ExperimentStage,
    before: Any,
    sets: Data,
    path: Path,
    callbacks: Sequence[Callback],
) -> tuple[Any, StageResult]:
    started = time.perf_counter()
    net, start = stage.start(before, sets)
    history: list[dict[str, float]] = []
    best_epoch = -1
    if stage.epochs:
        with trainable_only(net, stage.only):
            result = fit(
                net,
                sets.train,
                sets.valid,
                stage,
                test=sets.test if stage.test_each_epoch else None,
                checkpoint=path,
                metrics=path.with_suffix(".jsonl"),
                progress=False,
                callbacks=callbacks,
            )
        history, best_epoch = result.history, result.best_epoch
    seconds = time.perf_counter() - started
    return net, StageResult(stage, start, history, best_epoch, path, seconds)


@contextlib.contextmanager
def trainable_only(net: nn.Module, only: Sequence[str]) -> Iterator[None]:
    """Freeze all parameters but those under some names; () freezes none.

    Raises:
        SnnlabError: a name matches no parameter.
    """
    parameters = dict(net.named_parameters())
    for prefix in only:
        if not any(under(name, [prefix]) for name in parameters):
            raise SnnlabError(f"only: nothing in {type(net).__name__} is called {prefix!r}.")
    frozen = [
        parameter
        for name, parameter in parameters.items()
        if only and parameter.requires_grad and not under(name, only)
    ]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def run_experiments(
    experiments: Iterable[Experiment],
    data: Sets,
    folder: str | Path,
    *,
    attempt: bool = False,
    **options: Any,
) -> list[ExperimentResult]:
    """Run experiments, several at a time; what a previous call finished is only read.

    A script calls this below `if __name__ == "__main__":`, unless `workers` is 1: each worker
    imports the script.

    Args:
        experiments: the most expensive one first shortens the wait at the end.
        data: see `run_experiment`; copied to each worker once.
        folder: where checkpoints and metrics go.
        attempt: give an experiment that diverges the accuracy NaN, and no network.
        **options: `workers`, `processes`, `title` and `then` of
            `snnlab.training.launch.train_pool`.

    Returns:
        The results in the order of `experiments`, then those of `then`.

    Raises:
        SnnlabError: as `run_experiment`, stages that differ have the same file, or a process died.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from snnlab import DataSplits, DelayNetConfig, DelayStage
        >>> from snnlab.data.datasets.toys import interaural_lags
        >>> data = DataSplits(*(interaural_lags(20, seed=seed) for seed in range(3)))
        >>> network = DelayNetConfig(n_in=16, hidden=(4,), n_classes=5, max_delay=16)
        >>> stage = DelayStage(name="lags", network=network, epochs=1, batch_size=10)
        >>> with TemporaryDirectory() as folder:
        ...     results = run_experiments([Experiment("lags", (stage,))], data, Path(folder))
        >>> [len(stage.history) for stage in results[0].stages], 0 <= results[0].test_accuracy <= 1
        ([1], True)
    """
    if not isinstance(experiments, Iterable):
        raise SnnlabError(
            f"experiments: got {type(experiments).__name__}, expected a list of experiments; for a "
            "single one, [experiment]."
        )
    experiments = list(experiments)
    for experiment in experiments:
        _check_experiment(experiment)
    _check_files(experiments)
    run = _attempt if attempt else run_experiment
    return train_pool(experiments, run, data, given_path(folder), **options)


def _check_experiment(experiment: object) -> None:
    if not isinstance(experiment, Experiment):
        raise SnnlabError(
            f"experiment: got {type(experiment).__name__}, expected an Experiment, such as "
            "Experiment(name, (stage,))."
        )


def _check_files(experiments: Sequence[Experiment]) -> None:
    """Raise where different trainings would write the same file; those before them count."""
    trainings: dict[str, tuple[str, Sequence[ExperimentStage]]] = {}
    for experiment in experiments:
        for number, stage in enumerate(experiment.stages):
            stages = experiment.stages[: number + 1]
            file = stage.file_name(experiment.name, number)
            other, same = trainings.setdefault(file, (experiment.name, stages))
            if same != stages:
                raise SnnlabError(
                    f"{file}.pt: would be the checkpoint of two stages, of the experiments "
                    f"{other!r} and {experiment.name!r}; give each stage a name of its own."
                )


def _attempt(experiment: Experiment, *rest: Any) -> ExperimentResult:
    try:
        return run_experiment(experiment, *rest)
    except DivergedError:
        return ExperimentResult(experiment, [], math.nan, math.nan, None)
