"""How well a network does, where it runs, and what that costs."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.samplers import shard_batches, shuffled
from snnlab.data.protocols import Batches
from snnlab.training.distributed import (
    all_reduce_scalar,
    all_reduce_sum,
    own_gpu,
    rank_and_world_size,
)


@dataclass(frozen=True)
class EvalResult:
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
        raise SnnlabError(
            "device = 'cuda': this machine has no CUDA device that torch can use; choose cpu or auto."
        )
    return own_gpu() if name != "cpu" and torch.cuda.is_available() else torch.device("cpu")


def work_clock(device: torch.device) -> float:
    """Seconds of work so far: CPU time of this process, or on a GPU, once it has done what it was given, wall-clock time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


@torch.no_grad()
@memory_errors("evaluation")
def evaluate(model: nn.Module, data: Batches, *, batch_size: int = 256) -> EvalResult:
    """Score a network as it stands, in evaluation mode; its mode is put back afterwards, whatever happens.

    For a network with learned delays, pass `discretise(model)`: the Gaussian kernels of training
    are another network. Processes that train together share the samples, and all get the score of
    the whole: all of them have to call this.

    Raises:
        SnnlabError: there is no sample, the network has no score for a label, or memory does not
            suffice.
    """
    if len(data) == 0:
        raise SnnlabError(
            "no sample to evaluate on: expected at least one; look at how the set was split."
        )
    device, part = next(model.parameters()).device, rank_and_world_size()
    training = model.training
    model.eval()
    checked, loss, (predictions, labels) = False, 0.0, torch.zeros(2, len(data), dtype=torch.long)
    places = shard_batches(
        shuffled(len(data), batch_size, None), part, training=False
    )  # of the samples, in their order
    try:
        for place, (x, y) in zip(places, data.batches(batch_size, part=part), strict=True):
            scores = model(x.to(device)).float()
            if not checked:
                check_labels(scores, data=data)
                checked = True
            loss += F.cross_entropy(scores, y.to(device), reduction="sum").item()
            predictions[place], labels[place] = scores.argmax(1).cpu(), y.cpu()
    finally:
        model.train(training)
    predictions, labels = all_reduce_sum(predictions), all_reduce_sum(labels)
    return EvalResult(
        (predictions == labels).double().mean().item(),
        all_reduce_scalar(loss) / len(data),
        predictions,
        labels,
    )


def check_labels(scores: Tensor, **sets: Batches | None) -> None:
    """Check that a network has a score for every label.

    On a GPU, a loss of other labels ends in an error that the process does not survive.

    Args:
        scores: of any batch, `(B, classes)`.
        sets: the sets with the labels, by the name that a message has; None is skipped.

    Raises:
        SnnlabError: a label is below 0, or is no class of the network.
    """
    classes = scores.shape[-1]
    for name, part in sets.items():
        if part is None or len(part) == 0:
            continue
        low, high = int(part.labels.min()), int(part.labels.max())
        if low < 0 or high >= classes:
            raise SnnlabError(
                f"{name}: has labels from {low} to {high}, but the network gives scores for "
                f"{classes} classes, whose labels are 0 to {classes - 1}; build it with as many "
                "classes as the data has."
            )
