"""One training loop: two optimisers and their schedules, annealing, selection on validation, checkpoint and resume."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from tqdm.auto import tqdm

from snnlab import checkpoints
from snnlab.delays import delay_layers, discretise, sigma_schedule
from snnlab.errors import SnnlabError
from snnlab.files import whole_file
from snnlab.memory import keep_freed_memory
from snnlab.models import DelayNet


class Batches(Protocol):
    """What training and evaluation need of data: its size, and batches of `(T, B, N)` spikes and `(B,)` labels."""

    def __len__(self) -> int: ...

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Recipe:
    """How to train a `DelayNet`; the defaults are those of Hammouamri et al. 2024 for SHD.

    Weights and batch norm: Adam with a one-cycle schedule (30 % rise, cosine, beta1 from 0.95 to 0.85 and back).
    Delays: Adam with a cosine schedule to 0. Both schedules move once an epoch. Weight decay is on weights only.
    """

    epochs: int = 150
    batch_size: int = 256
    lr_weights: float = 5e-3  # the peak of the one-cycle schedule
    lr_delays: float = 0.1  # in steps of time
    weight_decay: float = 1e-5
    anneal_share: float = 0.25  # share of the epochs in which sigma shrinks; 0 for the final sigma throughout
    seed: int = 0  # of data order and dropout; each epoch draws from (seed, epoch) alone
    device: str = "auto"  # "auto", "cpu" or "cuda"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise SnnlabError(f"{name} = {getattr(self, name)!r}: expected a whole number from 1.")
        for name in ("lr_weights", "lr_delays", "weight_decay"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise SnnlabError(f"{name} = {value!r}: expected a number from 0.")
        if not 0 <= self.anneal_share <= 1:
            raise SnnlabError(f"anneal_share = {self.anneal_share!r}: expected a share from 0 to 1.")


@dataclass(frozen=True)
class Score:
    """How well a network does on a set: counted over all samples, not averaged over batches."""

    accuracy: float
    loss: float
    predictions: Tensor  # (n,) class of each sample, in the order in which `labels` has them
    labels: Tensor  # (n,)


def pick_device(name: str) -> torch.device:
    """The device of a name; "auto" is the GPU where there is one.

    Raises:
        SnnlabError: an unknown name, or "cuda" on a machine without it.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise SnnlabError(f"device = {name!r}: expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise SnnlabError("device = 'cuda': this machine has no CUDA device that torch can use; choose cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@torch.no_grad()
def evaluate(model: nn.Module, data: Batches, *, batch_size: int = 256) -> Score:
    """Score a network as it stands, in evaluation mode; its mode is put back afterwards.

    For a network with learned delays, pass `discretise(model)`: the Gaussian kernels of training are another network.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    loss, predictions, labels = 0.0, [], []
    for x, y in data.batches(batch_size):
        scores = model(x.to(device))
        loss += F.cross_entropy(scores, y.to(device), reduction="sum").item()
        predictions.append(scores.argmax(1).cpu())
        labels.append(y)
    model.train(training)
    predicted, true = torch.cat(predictions), torch.cat(labels)
    return Score((predicted == true).double().mean().item(), loss / len(true), predicted, true)


@dataclass(frozen=True)
class Fit:
    """What a training run leaves: the model holds the parameters of the best validation epoch."""

    model: DelayNet
    history: list[dict[str, float]]  # a dict an epoch: epoch, loss, train_accuracy, valid_accuracy, valid_loss, ...
    best_epoch: int


def fit(
    model: DelayNet,
    train: Batches,
    valid: Batches,
    recipe: Recipe,
    *,
    checkpoint: str | Path | None = None,
    metrics: str | Path | None = None,
    progress: bool = True,
    on_epochs: Callable[[int], object] | None = None,
) -> Fit:
    """Train a `DelayNet`; select the epoch by its accuracy on `valid` with whole delays (the lower loss on a tie).

    The loss is the cross-entropy of the class scores (Hammouamri et al. 2024, eq. 12 and 13). After each step of the
    optimisers the delays are brought back into 0 to `max_delay`; after each epoch sigma follows `sigma_schedule`.

    Args:
        model: the network; it is trained in place.
        train: what the parameters are fitted to.
        valid: what the epoch is chosen on. The test set has no business here.
        recipe: how.
        checkpoint: file that is written whole after each epoch, and continued from when it is there: the end is then
            the same as without the interruption, bit for bit on a CPU.
        metrics: file with one JSON object a line and epoch.
        progress: whether to show a progress bar.
        on_epochs: called with the number of epochs that have just become finished, restored ones at once.

    Raises:
        SnnlabError: the checkpoint is of another network or recipe, damaged or newer; the disk is full; the loss is
            no longer finite.
    """
    device = pick_device(recipe.device)
    if device.type == "cpu":
        keep_freed_memory()
    model.to(device)
    optimisers = make_optimisers(model, recipe)
    schedulers = make_schedulers(optimisers, recipe)
    state = _State(model, optimisers, schedulers, recipe)
    if checkpoint is not None and Path(checkpoint).exists():
        state.restore(Path(checkpoint))
    if metrics is not None:
        with whole_file(metrics) as temporary:  # a line half written by a killed run goes
            temporary.write_text("".join(json.dumps(line) + "\n" for line in state.history))

    epochs = range(len(state.history), recipe.epochs)
    if on_epochs is not None and epochs.start:
        on_epochs(epochs.start)
    with tqdm(epochs, initial=epochs.start, total=recipe.epochs, unit="epoch", disable=not progress) as bar:
        for epoch in bar:
            line = _epoch(model, train, valid, recipe, epoch, device, optimisers)
            for scheduler in schedulers:
                scheduler.step()
            state.finish(line)
            if checkpoint is not None:
                state.save(Path(checkpoint))
            if metrics is not None:
                with open(metrics, "a") as file:
                    file.write(json.dumps(line) + "\n")
            if on_epochs is not None:
                on_epochs(1)
            bar.set_postfix(loss=f"{line['loss']:.3f}", valid=f"{line['valid_accuracy']:.3f}")
    assert state.best is not None
    model.load_state_dict(state.best)
    return Fit(model, state.history, state.best_epoch)


def make_optimisers(model: DelayNet, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Adam for weights and batch norm and, where delays are learned, another one for them."""
    delays = [layer.P for layer in delay_layers(model) if layer.P.requires_grad]
    weights = [layer.weight for layer in delay_layers(model)]
    norms = list(model.norms.parameters())
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": norms, "weight_decay": 0.0}]
    optimisers: list[torch.optim.Optimizer] = [torch.optim.Adam(groups, lr=recipe.lr_weights, fused=True)]
    if delays:
        optimisers.append(torch.optim.Adam(delays, lr=recipe.lr_delays, fused=True))
    return optimisers


def make_schedulers(optimisers: list[torch.optim.Optimizer], recipe: Recipe) -> list[Any]:
    """One cycle for the weights, half a cosine for the delays; both move once an epoch."""
    # OneCycleLR cannot be built for a single step
    steps = max(recipe.epochs, 2)
    rising = OneCycleLR(optimisers[0], max_lr=recipe.lr_weights, total_steps=steps, cycle_momentum=True)
    return [rising, *(CosineAnnealingLR(falling, T_max=recipe.epochs) for falling in optimisers[1:])]


def train_step(model: DelayNet, x: Tensor, y: Tensor, optimisers: list[torch.optim.Optimizer]) -> tuple[Tensor, Tensor]:
    """One update from `(T, B, N)` spikes and `(B,)` labels; returns the loss and the class scores `(B, classes)`."""
    scores = model(x)
    loss = F.cross_entropy(scores, y)
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in optimisers:
        optimiser.step()
    for layer in delay_layers(model):
        layer.clamp_delays()
    return loss.detach(), scores.detach()


def _epoch(
    model: DelayNet,
    train: Batches,
    valid: Batches,
    recipe: Recipe,
    epoch: int,
    device: torch.device,
    optimisers: list[torch.optim.Optimizer],
) -> dict[str, float]:
    """Train one epoch and validate; all of its randomness comes from (seed, epoch), so that resuming needs no state."""
    started = time.perf_counter()
    sigma = 0.0
    if model.variant == "learned":
        anneal_epochs = int(recipe.epochs * recipe.anneal_share)
        sigma = sigma_schedule(epoch, max_delay=model.config["max_delay"], anneal_epochs=anneal_epochs)
        for layer in delay_layers(model):
            layer.sigma = sigma
    model.train()
    seed = (recipe.seed << 20) + epoch
    order = torch.Generator().manual_seed(seed)
    loss_sum = torch.zeros((), dtype=torch.double, device=device)  # both stay there: asking a GPU makes it wait
    correct = torch.zeros((), dtype=torch.long, device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for x, y in train.batches(recipe.batch_size, generator=order):
            x, y = x.to(device), y.to(device)
            loss, scores = train_step(model, x, y, optimisers)
            loss_sum += loss.double() * len(y)
            correct += (scores.argmax(1) == y).sum()
    mean_loss = loss_sum.item() / len(train)
    if not math.isfinite(mean_loss):
        raise SnnlabError(
            f"epoch {epoch}: the training loss is no longer finite; lower lr_weights (now {recipe.lr_weights}) "
            "or look for non-finite input."
        )
    validation = evaluate(discretise(model), valid, batch_size=recipe.batch_size)
    return {
        "epoch": epoch,
        "loss": mean_loss,
        "train_accuracy": correct.item() / len(train),
        "valid_accuracy": validation.accuracy,
        "valid_loss": validation.loss,
        "sigma": sigma,
        "seconds": time.perf_counter() - started,
    }


class _State:
    """All that has to survive a kill: model, best model, optimisers, schedules and the history."""

    def __init__(self, model: DelayNet, optimisers: list[Any], schedulers: list[Any], recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.moving = [*optimisers, *schedulers]
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = -1

    def finish(self, line: dict[str, float]) -> None:
        self.history.append(line)
        rank = (line["valid_accuracy"], -line["valid_loss"])
        if self.best is not None:
            held = self.history[self.best_epoch]
            if rank <= (held["valid_accuracy"], -held["valid_loss"]):
                return
        self.best = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
        self.best_epoch = int(line["epoch"])

    def save(self, path: Path) -> None:
        checkpoints.save(
            path,
            network=self.model.config,
            recipe=dataclasses.asdict(self.recipe),
            model=self.model.state_dict(),
            moving=[part.state_dict() for part in self.moving],
            history=self.history,
            best=self.best,
            best_epoch=self.best_epoch,
        )

    def restore(self, path: Path) -> None:
        content = checkpoints.load(path, network=self.model.config)
        recipe = dataclasses.asdict(self.recipe)
        different = sorted(key for key in recipe if content["recipe"].get(key) != recipe[key])
        if different:
            found = ", ".join(f"{key} = {content['recipe'].get(key)!r} instead of {recipe[key]!r}" for key in different)
            raise SnnlabError(f"{path}: trained with another recipe: {found}; use the same one or another file.")
        self.model.load_state_dict(content["model"])
        for part, saved in zip(self.moving, content["moving"], strict=True):
            part.load_state_dict(saved)
        self.history, self.best, self.best_epoch = content["history"], content["best"], content["best_epoch"]
