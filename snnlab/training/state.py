"""All of a training that has to survive a kill, between two epochs and in the middle of one."""

import copy
import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number
from snnlab.training import checkpoints
from snnlab.training.distributed import all_gather, rank_and_world_size

# What a checkpoint has, and of which type
KEPT: dict[str, tuple[type, ...]] = {
    "recipe": (dict,),
    "model": (dict,),
    "moving": (list,),
    "history": (list,),
    "best": (dict, type(None)),
    "best_epoch": (int,),
    "snapshots": (dict,),
    "under_way": (dict, type(None)),
}

# What a recipe may change before each step, and below which number it stays
FREE = {
    "lr": math.inf,
    "_last_lr": math.inf,
    "weight_decay": math.inf,
    "betas": 1.0,
    "momentum": 1.0,
}


class EpochState:
    """Counts, timers and random state of the epoch that is under way, in this process.

    Args:
        device: the device of the network.
        clock: returns the seconds of work so far.
    """

    def __init__(self, device: torch.device, clock: Callable[[], float]) -> None:
        self.device, self.clock = device, clock
        self.batches = self.seen = 0  # batches, and samples of all processes in them
        self.sample_timesteps = 0
        # The sums stay on the device: reading one makes the CPU wait for a GPU
        self.loss = torch.zeros((), dtype=torch.double, device=device)
        self.correct = torch.zeros((), dtype=torch.long, device=device)
        self.started, self.work_started = time.perf_counter(), clock()

    def add(
        self, loss: Tensor, correct: Tensor, *, samples: int, total_samples: int, time_steps: int
    ) -> None:
        """Count a batch.

        Args:
            loss: mean loss over this process's samples.
            correct: how many of them the network classified correctly.
            samples: this process's samples of the batch.
            total_samples: the samples of the batch in all processes.
            time_steps: time steps of a sample.
        """
        self.loss += loss.double() * samples
        self.correct += correct
        self.batches += 1
        self.seen += total_samples
        self.sample_timesteps += samples * time_steps

    @property
    def seconds(self) -> float:
        """Wall-clock time of the epoch, without the time between an interruption and its resumption."""
        return time.perf_counter() - self.started

    @property
    def work_seconds(self) -> float:
        """Seconds of this process's work in the epoch."""
        return self.clock() - self.work_started

    @contextmanager
    def paused_timers(self) -> Iterator[None]:
        """Exclude the block from the epoch's timers."""
        seconds, work = self.seconds, self.work_seconds
        try:
            yield
        finally:
            self.started += self.seconds - seconds
            self.work_started += self.work_seconds - work

    def exclude(self, seconds: float) -> None:
        """Exclude a time from the timers in which this process waited for process 0."""
        self.started += seconds
        if self.device.type == "cuda":  # a GPU's work is measured in wall-clock time
            self.work_started += seconds

    def without_sums(self) -> "EpochState":
        """Return a copy with the number of batches alone, which a GPU need not be asked for."""
        copied = EpochState(torch.device("cpu"), float)
        copied.batches = self.batches
        return copied

    def state(self) -> dict[str, Any]:
        """Return the state of all processes for a checkpoint.

        Each process has to call this at the same batch.
        """
        sums = [
            self.loss.item(),
            self.correct.item(),
            self.sample_timesteps,
            self.work_seconds,
            self.seconds,
        ]
        gpu = (
            torch.cuda.get_rng_state(self.device)
            if self.device.type == "cuda"
            else torch.empty(0, dtype=torch.uint8)
        )
        return {
            "batches": self.batches,
            "seen": self.seen,
            "sums": all_gather(torch.tensor(sums, dtype=torch.double)),
            "random": all_gather(torch.get_rng_state()),
            "random_gpu": all_gather(gpu),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume the epoch from what `state` returned, perhaps with another number of processes.

        Additional processes keep the random state that they have at the start of the epoch.
        """
        rank, world_size = rank_and_world_size()
        self.batches, self.seen = state["batches"], state["seen"]
        # Fewer processes share the sums of the missing ones
        sums = sum(state["sums"][rank::world_size], torch.zeros(5, dtype=torch.double))
        self.loss.fill_(sums[0])
        self.correct.fill_(round(sums[1].item()))
        self.sample_timesteps = round(sums[2].item())
        self.work_started -= sums[3].item()
        self.started -= state["sums"][0][4].item()
        if rank < len(state["random"]):
            torch.set_rng_state(state["random"][rank])
            if self.device.type == "cuda" and len(state["random_gpu"][rank]):
                torch.cuda.set_rng_state(state["random_gpu"][rank], self.device)


class TrainState:
    """Network, best network, optimisers, schedules, the history, and what was counted of the epoch that was under way.

    Args:
        model: the network, with `config`.
        optimisers, schedulers: of its parameters.
        recipe: how it is trained, a dataclass.
        every: seconds after which it is time to save in the middle of an epoch.
    """

    def __init__(
        self,
        model: Any,
        optimisers: list[Any],
        schedulers: list[Any],
        recipe: Any,
        *,
        every: float = 0.0,
    ) -> None:
        self.model, self.recipe, self.every = model, recipe, every
        self.optimisers, self.schedulers = optimisers, schedulers
        self.moving = [*optimisers, *schedulers]
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = -1
        # `EpochState.state` of an epoch that is to be gone on with
        self.under_way: dict[str, Any] | None = None
        self.path: Path | None = None  # what this process writes
        self._saved = time.perf_counter()
        self.snapshots: dict[int, list[Tensor]] = {}  # by the number of epochs that were over
        self._keep_snapshot()

    def _keep_snapshot(self) -> None:
        if kept := self.recipe.snapshot(self.model):
            self.snapshots[len(self.history)] = kept

    def finish(self, line: dict[str, float]) -> None:
        """An epoch is over: keep its line, and its parameters if they are the ones to keep."""
        self.history.append(line)
        self._keep_snapshot()
        rank = (line["valid_accuracy"], -line["valid_loss"])
        if self.best is not None and self.recipe.keep == "best":
            held = self.history[self.best_epoch]
            if rank <= (held["valid_accuracy"], -held["valid_loss"]):
                return
        self.best = {
            name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()
        }
        self.best_epoch = int(line["epoch"])

    def due(self) -> bool:
        """Whether this process writes, and it is time to."""
        return self.path is not None and time.perf_counter() - self._saved >= self.every

    def save(self, tally: EpochState | None = None) -> None:
        """Write the checkpoint; with a tally in the middle of an epoch, and then every process has to call this.

        Raises:
            SnnlabError: the disk is full or read-only.
        """
        under_way = None if tally is None else tally.state()
        if self.path is None:
            return
        checkpoints.save(
            self.path,
            network=self.model.config,
            recipe=dataclasses.asdict(self.recipe),
            model=self.model.state_dict(),
            moving=[part.state_dict() for part in self.moving],
            history=self.history,
            best=self.best,
            best_epoch=self.best_epoch,
            snapshots=self.snapshots,
            under_way=under_way,
        )
        self._saved = time.perf_counter()

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            SnnlabError: it is of another network or recipe, damaged or newer, or holds no training.
        """
        content = checkpoints.load(path, network=self.model.config)
        missing = sorted(KEPT.keys() - content.keys())
        if missing:
            raise SnnlabError(
                f"{path}: a checkpoint without {', '.join(missing)}; expected one from which a training can go on. "
                "Choose another file, or for a new training a name that no file has."
            )
        for name, kinds in KEPT.items():
            if not isinstance(content[name], kinds) or isinstance(content[name], bool):
                raise SnnlabError(
                    f"{path}: was altered after snnlab wrote it (its {name} is of the type {type(content[name]).__name__}, "
                    f"{kinds[0].__name__} was expected); choose another file."
                )
        recipe = dataclasses.asdict(self.recipe)
        with checkpoints.as_written(path):
            different = sorted(key for key in recipe if content["recipe"].get(key) != recipe[key])
            if different:
                found = ", ".join(
                    f"{key} = {content['recipe'].get(key)!r} instead of {recipe[key]!r}"
                    for key in different
                )
                raise SnnlabError(
                    f"{path}: trained with another recipe: {found}; use the same one or another file."
                )
            _check(content, self.model, epochs=self.recipe.epochs)
            self._check_moving(content["moving"], epochs=len(content["history"]))
            self.model.load_state_dict(content["model"])
            for part, saved in zip(self.moving, content["moving"], strict=True):
                part.load_state_dict(saved)
        self.history, self.best, self.best_epoch = (
            content["history"],
            content["best"],
            content["best_epoch"],
        )
        self.snapshots, self.under_way = content["snapshots"], content["under_way"]

    def _check_moving(self, found: list[Any], *, epochs: int) -> None:
        """Raise unless these are states of own optimisers, and of own schedules after so many epochs.

        Torch loads them without a look, and stumbles over them in a later step. Own schedules have
        moved afterwards.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no optimiser has made a step
            for part in self.moving * epochs:
                if not isinstance(part, Optimizer):
                    part.step()
        for part, saved in zip(self.moving, found, strict=True):
            built = part.state_dict()
            if not isinstance(part, Optimizer):
                fits = _alike(saved, built)
            else:
                fits = (
                    saved.keys() == built.keys()
                    and _alike(saved["param_groups"], built["param_groups"])
                    and _are_moments(saved["state"], part)
                )
            if not fits:
                raise SnnlabError(
                    "what its optimisers or schedules keep is not what this recipe and this version of torch "
                    "make of the network; choose another file."
                )


def _alike(found: Any, built: Any, *, below: float | None = None) -> bool:
    """Whether two states are the same; where there is a limit, any number from 0 to below it will do."""
    if below is not None and is_number(built):
        return is_number(found) and bool(0 <= found < below)
    if type(found) is not type(built):
        return False
    if isinstance(built, dict):
        return found.keys() == built.keys() and all(
            _alike(found[key], value, below=FREE.get(key)) for key, value in built.items()
        )
    if isinstance(built, list | tuple):
        return len(found) == len(built) and all(
            _alike(one, other, below=below) for one, other in zip(found, built, strict=True)
        )
    if isinstance(built, float):
        # Of another machine, perhaps
        return math.isclose(found, built, rel_tol=1e-6, abs_tol=1e-12)
    return bool(found == built)


def _are_moments(found: dict[int, dict[str, Tensor]], optimiser: Optimizer) -> bool:
    """Whether an optimiser can go on with these, by the number of the parameter: what a step on one number leaves says it."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    small = {id(p): p.detach().new_zeros(1).requires_grad_() for p in parameters}
    probe = copy.deepcopy(optimiser, dict(small))
    for parameter in small.values():
        parameter.grad = torch.zeros_like(parameter)
    probe.step()
    if not found.keys() <= set(range(len(parameters))):
        return False
    for number, moments in found.items():
        parameter = parameters[number]
        expected = probe.state[small[id(parameter)]]
        if moments.keys() != expected.keys():
            return False
        for name, value in moments.items():
            shape = parameter.shape if expected[name].dim() else ()
            if value.shape != shape or not value.is_floating_point() or not value.isfinite().all():
                return False
    return True


def _check(content: dict[str, Any], model: Any, *, epochs: int) -> None:
    """Raise the first thing in a checkpoint that training would stumble over later."""
    history, best, under_way = content["history"], content["best"], content["under_way"]
    if len(history) > epochs or [line["epoch"] for line in history] != [*range(len(history))]:
        raise SnnlabError(
            f"its history is not one of up to {epochs} epochs, counted from 0; choose another file."
        )
    scores = {"valid_accuracy", "valid_loss"}
    if not all(
        scores <= line.keys() and all(isinstance(v, int | float) for v in line.values())
        for line in history
    ):
        raise SnnlabError(
            "its history lacks scores, or holds something else than numbers; choose another file."
        )
    accuracies = [
        value for line in history for name, value in line.items() if name.endswith("accuracy")
    ]
    if not all(0 <= value <= 1 for value in accuracies) or not all(
        math.isfinite(value) for line in history for value in line.values()
    ):
        raise SnnlabError(
            "its history holds scores that are not finite, or accuracies beyond 0 to 1; choose another file."
        )
    if (best is None) != (not history) or not -1 <= content["best_epoch"] < len(history):
        raise SnnlabError("its best epoch is not one of its history; choose another file.")
    for state in (content["model"], best):
        if state is not None:
            checkpoints.check_parameters(state, model)
    if under_way is not None:
        random, sums = [*under_way["random"], *under_way["random_gpu"]], under_way["sums"]
        counts = under_way["batches"], under_way["seen"]
        if not (
            all(type(count) is int and count >= 0 for count in counts)
            and counts[0] <= counts[1]  # no batch is empty
            and all(state.dtype == torch.uint8 for state in random)
            and all(own.shape == (5,) and own.isfinite().all() for own in sums)
            and 0 < len(sums) == len(under_way["random"]) == len(under_way["random_gpu"])
        ):
            raise SnnlabError("what it had counted of an epoch was altered; choose another file.")
