"""One training loop for every network: selection on validation, checkpoint and resume. A recipe says what differs."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from snnlab.data.order import WHOLE, Part, dealt, shuffled
from snnlab.distributed import own_gpu, own_part, own_seed, same_as_first, sum_gradients, summed, synchronised, total
from snnlab.errors import SnnlabError
from snnlab.memory import keep_freed_memory
from snnlab.metrics import written
from snnlab.moments import Interrupted, Moment, Stopped
from snnlab.parameters import known
from snnlab.resume import State, Tally

Model = TypeVar("Model", bound=nn.Module)
Keep = Literal["best", "last"]
SAVE_EVERY = 300.0  # s; what a kill costs at most


class Batches(Protocol):
    """What training and evaluation need of data: its size, its labels `(n,)`, and batches `(T, B, ...)` with theirs `(B,)`."""

    @property
    def labels(self) -> Tensor: ...

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]: ...

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None, part: Part = WHOLE, first: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]: ...


class Data(Protocol):
    """A data set with its three parts."""

    @property
    def train(self) -> Batches: ...
    @property
    def valid(self) -> Batches: ...
    @property
    def test(self) -> Batches: ...


@dataclass(frozen=True)
class Recipe:
    """How to train a network. A subclass says which optimisers, and what is special about its networks.

    Raises:
        SnnlabError: a number is out of its range.
    """

    epochs: int
    batch_size: int
    seed: int = 0  # of data order and dropout; each epoch draws from (seed, epoch) alone
    device: str = "auto"  # "auto", "cpu" or "cuda"
    accumulate: int = 1  # parts of a batch that go through the network one by one, their gradients summed
    keep: Keep = "best"  # the epoch whose parameters stay: best on validation, or the last

    def __post_init__(self) -> None:
        check_numbers(self, low=1, names=("epochs", "batch_size", "accumulate"))
        known(self.keep, get_args(Keep), "epoch to keep")

    @property
    def at_once(self) -> int:
        """How many samples the network sees at once."""
        return math.ceil(self.batch_size / self.accumulate)

    def optimisers(self, model: Any) -> list[torch.optim.Optimizer]:
        """The optimisers of a network's parameters."""
        raise NotImplementedError

    def schedulers(self, optimisers: list[torch.optim.Optimizer]) -> list[Any]:
        """The schedules of their learning rates, which move once an epoch."""
        return []

    def before_epoch(self, model: Any, epoch: int) -> dict[str, float]:
        """Change the network for an epoch; what is returned goes into the history.

        Called again where a training goes on in the middle of the epoch, so it has to follow from the epoch alone.
        """
        return {}

    def before_step(self, model: Any, optimisers: list[torch.optim.Optimizer], done: float) -> None:
        """Called before each step of the optimisers; `done` is the share of the whole training, from 0 to below 1."""

    def augmented(self, model: Any, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What a batch `(T, B, ...)` for training becomes, and its labels `(B,)` or shares of the classes `(B, classes)`."""
        return x, y

    def after_step(self, model: Any) -> None:
        """Called after each step of the optimisers."""

    def after_epoch(self, model: Any, valid: "Batches") -> dict[str, float]:
        """Called after each epoch; what is measured here goes into the history."""
        return {}

    def snapshot(self, model: Any) -> list[Tensor]:
        """What of the network is to be seen later as it was at this epoch: little, for the checkpoint keeps it of each."""
        return []

    def as_used(self, model: Any) -> nn.Module:
        """The network as it will be used, on which it is validated."""
        return cast(nn.Module, model)

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The precision in which the network is called; parameters, optimisers and losses stay in float32."""
        return nullcontext()

    def time_steps(self, x: Tensor) -> int:
        """For how many time steps a batch `(T, B, ...)` is shown."""
        return len(x)


def check_numbers(recipe: Recipe, *, low: float, names: Iterable[str]) -> None:
    """Raise unless these fields are finite numbers from `low`."""
    for name in names:
        value = getattr(recipe, name)
        if not (math.isfinite(value) and value >= low):
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise SnnlabError(f"{name} = {value!r}: expected {kind} from {low}.")


@dataclass(frozen=True)
class Score:
    """How well a network does on a set: counted over all samples, not averaged over batches."""

    accuracy: float
    loss: float
    predictions: Tensor  # (n,) class of each sample, in the order in which `labels` has them
    labels: Tensor  # (n,)


def pick_device(name: str) -> torch.device:
    """The device of a name; "auto" is the GPU where there is one. Of processes that train together, each has its own.

    Raises:
        SnnlabError: an unknown name, "cuda" on a machine without it, or more processes than GPUs.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise SnnlabError(f"device = {name!r}: expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise SnnlabError("device = 'cuda': this machine has no CUDA device that torch can use; choose cpu or auto.")
    return own_gpu() if name != "cpu" and torch.cuda.is_available() else torch.device("cpu")


def work_clock(device: torch.device) -> float:
    """Seconds of work so far: CPU time of this process, or on a GPU, once it has done what it was given, wall-clock time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


@torch.no_grad()
def evaluate(model: nn.Module, data: Batches, *, batch_size: int = 256) -> Score:
    """Score a network as it stands, in evaluation mode; its mode is put back afterwards.

    For a network with learned delays, pass `discretise(model)`: the Gaussian kernels of training are another network.
    Processes that train together share the samples, and all get the score of the whole: all of them have to call this.

    Raises:
        SnnlabError: there is no sample.
    """
    if len(data) == 0:
        raise SnnlabError("no sample to evaluate on: expected at least one; look at how the set was split.")
    device, part = next(model.parameters()).device, own_part()
    training = model.training
    model.eval()
    loss, (predictions, labels) = 0.0, torch.zeros(2, len(data), dtype=torch.long)
    places = dealt(shuffled(len(data), batch_size, None), part, training=False)  # of the samples, in their order
    for place, (x, y) in zip(places, data.batches(batch_size, part=part), strict=True):
        scores = model(x.to(device)).float()
        loss += F.cross_entropy(scores, y.to(device), reduction="sum").item()
        predictions[place], labels[place] = scores.argmax(1).cpu(), y.cpu()
    model.train(training)
    predictions, labels = summed(predictions), summed(labels)
    return Score((predictions == labels).double().mean().item(), total(loss) / len(data), predictions, labels)


@dataclass(frozen=True)
class Fit(Generic[Model]):
    """What a training run leaves: the model holds the parameters of the epoch that was kept.

    A line of the history has `epoch`, `loss`, `train_accuracy`, `valid_accuracy`, `valid_loss`, and `test_accuracy` where there is a test set; `cpu_seconds`, the work (see `work_clock`) of
    all processes in the training steps of the epoch; `sample_timesteps`, the time steps of all samples that they trained
    on; `seconds` of wall-clock time with validation; and what the recipe adds.
    """

    model: Model
    history: list[dict[str, float]]
    best_epoch: int


def fit(
    model: Model,
    train: Batches,
    valid: Batches,
    recipe: Recipe,
    *,
    test: Batches | None = None,
    checkpoint: str | Path | None = None,
    metrics: str | Path | None = None,
    save_every: float = SAVE_EVERY,
    progress: bool = True,
    on_epochs: Callable[[int], object] | None = None,
    on_batch: Callable[[Moment], object] | None = None,
) -> Fit[Model]:
    """Train a network on the cross-entropy of its class scores; keep the epoch that is best on `valid`, or the last.

    Best is the highest accuracy, and the lower loss on a tie, of the network as it will be used (`recipe.as_used`).

    Several processes train one network together where each calls this with the same arguments, in a group of
    `torch.distributed`, each with a GPU of its own or all on the CPU. `snnlab.side_by_side.run_all` starts them
    (`processes`); under `torchrun`, call `torch.distributed.init_process_group()` first. All start from the parameters
    of process 0, share every batch, and have batch norm over all of it: the result is that of one process up to
    rounding and dropout, and the same in each. Process 0 alone writes, shows progress and calls `on_epochs`. A last
    batch of fewer samples than processes is left out.

    Args:
        model: the network, with `config`, the arguments that built it; it is trained in place.
        train: what the parameters are fitted to.
        valid: what the epoch is chosen on.
        recipe: how.
        test: scored after each epoch, too, and never chosen by; None leaves it alone, as is good practice.
        checkpoint: file that is written whole after each epoch and, in a long one, in the middle of it. When it is
            there, training goes on at the batch where it stood: the end is then the same as without the interruption,
            bit for bit on a CPU with as many processes as before. All processes have to see it.
        metrics: file with one JSON object a line and epoch; TensorBoard or Weights & Biases get the same, see `snnlab.metrics`.
        save_every: seconds of wall-clock time without a checkpoint after which one is written in the middle of an epoch.
        progress: whether to show a progress bar; there is none where `on_batch` looks.
        on_epochs: called with the number of epochs that have just become finished, restored ones at once.
        on_batch: called at the start, before each batch of training and validation, and at the end. It may look, wait,
            or raise `Stopped`: then the checkpoint is written, and the same call goes on from there another time.

    Raises:
        SnnlabError: the checkpoint is of another network or recipe, damaged or newer; the disk is full; the loss is
            no longer finite; there are more processes than samples in a batch; `save_every` is below 0; several
            processes train together, and there is an `on_batch`.
        Stopped: `on_batch` raised it.
    """
    if not save_every >= 0:
        raise SnnlabError(f"save_every = {save_every!r}: expected seconds from 0, such as {SAVE_EVERY:g}.")
    number, processes = own_part()
    if min(recipe.batch_size, len(train)) < processes:
        raise SnnlabError(
            f"batch_size = {recipe.batch_size} of {len(train)} samples for {processes} processes: expected at least a "
            "sample each; start fewer processes or choose a larger batch."
        )
    if on_batch is not None and processes > 1:  # the others would wait for ever for one that is stopped
        raise SnnlabError(f"on_batch: one process can be watched, and {processes} train together; leave it out.")
    device = pick_device(recipe.device)
    if device.type == "cpu":
        keep_freed_memory()
    model.to(device)
    optimisers = recipe.optimisers(model)
    schedulers = recipe.schedulers(optimisers)
    state = State(model, optimisers, schedulers, recipe, every=save_every)

    place = None if checkpoint is None else Path(checkpoint)

    def look(tally: Tally | None) -> None:
        if on_batch is None:
            return
        batches = -(-len(train) // recipe.batch_size)
        try:
            on_batch(Moment(model, recipe, valid, state.history, tally, batches, place))
        except Stopped:
            if tally is not None:
                state.save(tally)
            raise

    look(None)
    if place is not None and place.exists():
        state.restore(place)
    same_as_first(model)
    if number != 0:  # process 0 writes and tells for all
        place = metrics = on_epochs = None
    state.path = place
    epochs = range(len(state.history), recipe.epochs)
    if on_epochs is not None and epochs.start:
        on_epochs(epochs.start)
    hidden = not progress or number != 0 or on_batch is not None
    logged = nullcontext(_unlogged) if metrics is None else written(Path(metrics), state.history)
    with (
        synchronised(model),
        logged as log,
        tqdm(epochs, initial=epochs.start, total=recipe.epochs, unit="epoch", disable=hidden) as bar,
    ):
        for epoch in bar:
            line = _epoch(model, train, valid, test, recipe, epoch, device, optimisers, state, look)
            for scheduler in schedulers:
                scheduler.step()
            state.finish(line)
            state.save()
            log(line)
            if on_epochs is not None:
                on_epochs(1)
            bar.set_postfix(loss=f"{line['loss']:.3f}", valid=f"{line['valid_accuracy']:.3f}")
    assert state.best is not None
    model.load_state_dict(state.best)
    look(None)
    return Fit(model, state.history, state.best_epoch)


def _unlogged(line: dict[str, float]) -> None:
    """Where no metrics are wanted."""


def train_step(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    optimisers: list[torch.optim.Optimizer],
    recipe: Recipe,
    *,
    share: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """One update from a batch `(T, B, ...)` and labels `(B,)`; returns the loss and the class scores `(B, classes)`.

    Labels may be shares of the classes, too, `(B, classes)`. Where several processes train together, theirs are parts of one batch, and `share` is the share that this one has.
    With `recipe.accumulate` above 1, batch norm takes its mean and variance from each part by itself.
    """
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss, scores = torch.zeros((), device=x.device), []
    for some_x, some_y in zip(x.chunk(recipe.accumulate, 1), y.chunk(recipe.accumulate), strict=True):
        with recipe.autocast(x.device):
            found = model(some_x)
        found = found.float()  # a loss needs all digits
        part = F.cross_entropy(found, some_y) * (len(some_y) / len(y))
        (part * share).backward()  # the mean over the whole batch is the sum of these
        loss += part.detach()
        scores.append(found.detach())
    sum_gradients(optimisers)
    for optimiser in optimisers:
        optimiser.step()
    recipe.after_step(model)
    return loss, torch.cat(scores)


def epoch_seed(seed: int, epoch: int) -> int:
    """What an epoch's data order and dropout are drawn from: 32 bits, as torch's generator of the CPU heeds no more."""
    both = (seed << 20) + epoch
    return (both + (both >> 32) * 0x9E3779B1) % 2**32  # an odd factor spreads what stands above those bits


def _epoch(
    model: nn.Module,
    train: Batches,
    valid: Batches,
    test: Batches | None,
    recipe: Recipe,
    epoch: int,
    device: torch.device,
    optimisers: list[torch.optim.Optimizer],
    state: State,
    look: Callable[[Tally | None], None],
) -> dict[str, float]:
    """Train one epoch, or what is left of it, and validate; all of its randomness comes from (seed, epoch)."""
    tally = Tally(device, partial(work_clock, device))
    more = recipe.before_epoch(model, epoch)
    model.train()
    seed = epoch_seed(recipe.seed, epoch)
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(own_seed(seed))
        if state.under_way is not None:
            tally.restore(state.under_way)
            state.under_way = None
        for x, y in train.batches(recipe.batch_size, generator=order, part=own_part(), first=tally.batches):
            look(tally)
            # of all processes: how many samples their parts have, and whether the one that writes wants to
            whole, due = map(round, summed(torch.tensor([len(y), state.due()], dtype=torch.double)).tolist())
            if due:
                state.save(tally)
            x, y = x.to(device), y.to(device)
            recipe.before_step(model, optimisers, (epoch + tally.seen / len(train)) / recipe.epochs)
            # not dropout's numbers, and none that would have to be kept when this goes on in the middle of an epoch
            chance = torch.Generator().manual_seed(epoch_seed(own_seed(seed) ^ 0x9E3779B1, tally.batches))
            samples, (x, y) = len(y), recipe.augmented(model, x, y, chance)
            loss, scores = train_step(model, x, y, optimisers, recipe, share=samples / whole)
            correct = (scores.argmax(1) == (y if y.dim() == 1 else y.argmax(1))).sum()  # of a mixture, its largest part
            tally.add(loss, correct, samples=samples, whole=whole, time_steps=recipe.time_steps(x))
    mean_loss = total(tally.loss.item()) / tally.seen
    cpu_seconds = total(tally.work_seconds)
    if not math.isfinite(mean_loss):
        rates = ", ".join(f"{optimiser.param_groups[0]['lr']:.2g}" for optimiser in optimisers)
        raise SnnlabError(
            f"epoch {epoch}: the training loss is no longer finite; lower the learning rate (now {rates}) "
            "or look for non-finite input."
        )
    with recipe.autocast(device):
        used, stoppable = recipe.as_used(model), partial(Interrupted, look=partial(look, tally))
        validation = evaluate(used, stoppable(valid), batch_size=recipe.at_once)
        if test is not None:
            tested = validation if test is valid else evaluate(used, stoppable(test), batch_size=recipe.at_once)
            more = {**more, "test_accuracy": tested.accuracy}
        more = {**more, **recipe.after_epoch(model, stoppable(valid))}
    return {
        "epoch": epoch,
        "loss": mean_loss,
        "train_accuracy": total(tally.correct.item()) / tally.seen,
        "valid_accuracy": validation.accuracy,
        "valid_loss": validation.loss,
        **more,
        "sample_timesteps": round(total(tally.sample_timesteps)),
        "cpu_seconds": cpu_seconds,
        "seconds": tally.seconds,
    }
