"""The state of a training, which a checkpoint keeps between epochs and in the middle of one."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from snnlab.nn.network_config import describe_network
from snnlab.training import checkpoints
from snnlab.training.checkpoint_checks import check_data, check_resumable
from snnlab.training.distributed import all_gather, rank_and_world_size


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
        """Wall-clock time of the epoch; an interruption does not count."""
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
    """What a training is resumed from: network, optimisers, schedules, best network and history.

    Args:
        model: the network.
        optimisers: of its parameters.
        schedulers: of the optimisers.
        recipe: how it is trained, a dataclass.
        data: of each set, what `fingerprint` returns.
        every: seconds without a checkpoint after which one is due in the middle of an epoch.
        dt_ms: length of a time step of the data, ms.
    """

    def __init__(
        self,
        model: Any,
        optimisers: list[Any],
        schedulers: list[Any],
        recipe: Any,
        *,
        data: dict[str, dict[str, int]],
        every: float = 0.0,
        dt_ms: float | None = None,
    ) -> None:
        self.network = describe_network(model, dt_ms)
        self.model, self.recipe, self.data, self.every = model, recipe, data, every
        self.optimisers, self.schedulers = optimisers, schedulers
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = -1
        self.under_way: dict[str, Any] | None = None  # `EpochState.state` of the epoch to resume
        self.path: Path | None = None  # what this process writes
        self._saved = time.perf_counter()
        self.snapshots: dict[int, list[Tensor]] = {}  # by the number of finished epochs
        self._keep_snapshot()

    def _keep_snapshot(self) -> None:
        if snapshot := self.recipe.snapshot(self.model):
            self.snapshots[len(self.history)] = snapshot

    def finish(self, line: dict[str, float]) -> None:
        """Finish an epoch: keep its line, and its parameters if they are the ones to keep."""
        self.history.append(line)
        self._keep_snapshot()
        if self.recipe.keep == "best" and self.best_epoch >= self.recipe.kept_from(self.model):
            best_line = self.history[self.best_epoch]
            if _rank(line) <= _rank(best_line):
                return
        self.best = {
            name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()
        }
        self.best_epoch = int(line["epoch"])

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or `recipe.patience` is exhausted; the same in each process.

        It follows from recipe and history, so that a resumed training stops at the same epoch.
        """
        done, epochs, patience = len(self.history), self.recipe.epochs, self.recipe.patience
        if patience is not None:
            counted_from = max(self.best_epoch + 1, self.recipe.settled_from(self.model))
            epochs = min(epochs, counted_from + patience)
        return bool(done >= epochs)

    def due(self) -> bool:
        """Return whether this process writes checkpoints, and it is time for one."""
        return self.path is not None and time.perf_counter() - self._saved >= self.every

    def save(self, epoch_state: EpochState | None = None) -> None:
        """Write the checkpoint; in the middle of an epoch, every process has to call this.

        Args:
            epoch_state: the epoch that is under way; None between epochs.

        Raises:
            SnnlabError: the disk is full or read-only.
        """
        under_way = None if epoch_state is None else epoch_state.state()
        if self.path is None:
            return
        checkpoints.save(
            self.path,
            network=self.network,
            max_delays=checkpoints.max_delays(self.model),
            recipe=dataclasses.asdict(self.recipe),
            data=self.data,
            model=self.model.state_dict(),
            moving=[part.state_dict() for part in (*self.optimisers, *self.schedulers)],
            history=self.history,
            best=self.best,
            best_epoch=self.best_epoch,
            snapshots=self.snapshots,
            under_way=under_way,
        )
        self._saved = time.perf_counter()

    def restore(self, path: Path) -> None:
        """Resume from a checkpoint.

        Raises:
            SnnlabError: it is of another network, recipe or data, damaged or newer, or holds no
                training.
        """
        content = checkpoints.load(path, network=self.network)
        moving = [*self.optimisers, *self.schedulers]
        with checkpoints.as_written(path):
            check_resumable(content, self.model, self.recipe, moving)
            check_data(content, self.data)
            self.model.load_state_dict(content["model"])
            for part, saved in zip(moving, content["moving"], strict=True):
                part.load_state_dict(saved)
        for name in ("history", "best", "best_epoch", "snapshots", "under_way"):
            setattr(self, name, content[name])


def _rank(line: dict[str, float]) -> tuple[float, float]:
    return line["valid_accuracy"], -line["valid_loss"]
