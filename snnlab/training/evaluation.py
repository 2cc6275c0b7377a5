"""Evaluation of a network on a data set, and the device and clock of a computation."""

import itertools
import time
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.arrays import same_dt
from snnlab._utils.errors import SnnlabError, errors_at
from snnlab._utils.memory import memory_errors
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.samplers import shard_batches
from snnlab.data.protocols import Batches
from snnlab.nn.any_network import check_network, evaluation_mode, forward_sequence
from snnlab.nn.delay_net import DelayNet
from snnlab.training.distributed import (
    all_reduce_scalar,
    all_reduce_sum,
    own_gpu,
    rank_and_world_size,
)

Samples = Batches | tuple[Tensor, Tensor]  # a data set, or x (T, B, ...) and y (B,)


@dataclass(frozen=True)
class EvalResult:
    """Accuracy and loss of a network over all samples of a data set.

    Attributes:
        accuracy: share of the samples that are classified correctly, 0 to 1.
        loss: mean cross-entropy.
        predictions: class of each sample, `(n,)`, in the order of the data set.
        labels: label of each sample, `(n,)`.

    Example:
        >>> result = EvalResult(0.5, 0.7, torch.tensor([0, 1]), torch.tensor([0, 0]))
        >>> (result.predictions == result.labels).tolist()
        [True, False]
    """

    accuracy: float
    loss: float
    predictions: Tensor
    labels: Tensor


def as_batches(data: Samples, name: str = "data") -> Batches:
    """Return a data set as it is, and tensors `(x, y)` as a data set.

    Args:
        data: a data set, or x of shape `(T, B, N)` or `(T, B, C, H, W)` and y of shape `(B,)`.
        name: the argument that an error message names.

    Raises:
        SnnlabError: it is something else or has no sample, the tensors have other shapes, or y
            holds no whole numbers.
    """
    if isinstance(data, tuple | list) and len(data) == 2:
        with errors_at(name):
            data = DenseSet(*data)
    if not (hasattr(data, "batches") and hasattr(data, "index_batches")):
        raise SnnlabError(
            f"{name}: got {type(data).__name__}; expected a data set, or two tensors (x, y), x of "
            "shape (T, B, N) and y of shape (B,)."
        )
    if len(data) == 0:
        raise SnnlabError(
            f"{name}: has no sample; expected at least one. Check how the set was split."
        )
    return data


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is the GPU where there is one.

    Each of several processes that train together gets a GPU of its own. Apple's GPU is not used.

    Raises:
        SnnlabError: the name is unknown or "mps", it is "cuda" on a machine without it, or there
            are more processes than GPUs.
    """
    if name == "mps":
        raise SnnlabError(
            "device = 'mps': snnlab does not train on Apple's GPU, which has no 64-bit numbers; "
            "choose auto or cpu."
        )
    if name not in ("auto", "cpu", "cuda"):
        raise SnnlabError(f"device = {name!r}: expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise SnnlabError(
            "device = 'cuda': this machine has no CUDA device that torch can use; choose cpu or "
            "auto."
        )
    return own_gpu() if name != "cpu" and torch.cuda.is_available() else torch.device("cpu")


def work_clock(device: torch.device) -> float:
    """Return the seconds of work so far.

    On a CPU, this is the CPU time of the process. On a GPU, it is wall-clock time, read when the
    GPU has finished what it was given.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


@torch.no_grad()
@memory_errors("evaluation")
def evaluate(model: nn.Module, data: Samples, *, batch_size: int = 256) -> EvalResult:
    """Evaluate a network as it stands, in evaluation mode; each module's mode is restored.

    For a network with learned delays, pass `discretise(model)`: the Gaussian kernels of training
    are another network. The states of its neurons are reset before each batch. Processes that train
    together share the samples and get the same result: all of them have to call this.

    Args:
        model: the network; it maps `(T, B, ...)` to class scores `(B, classes)`.
        data: a data set, or tensors x `(T, B, N)` and y `(B,)`; x becomes float32.
        batch_size: samples in a batch.

    Returns:
        Accuracy, loss, predictions and labels.

    Raises:
        SnnlabError: there is no sample, `batch_size` is below 1, the network gives no class scores
            or none for a label, the data has other time steps than the network, tensors have
            another shape, an input or a score is not finite, or memory does not suffice.

    Example:
        >>> from snnlab.nn.delay_net import DelayNet
        >>> net = DelayNet(n_in=16, hidden=[4], n_classes=3, max_delay=4, tau=1.5, dropout=0.0)
        >>> x, y = torch.rand(10, 6, 16), torch.tensor([0, 1, 2, 0, 1, 2])
        >>> evaluate(net, (x, y)).predictions.shape
        torch.Size([6])
    """
    data = as_batches(data)
    check_steps(model, data=data)
    device, part = device_of(model), rank_and_world_size()
    checked, loss, (predictions, labels) = False, 0.0, torch.zeros(2, len(data), dtype=torch.long)
    indices = shard_batches(data.index_batches(batch_size), part, training=False)
    with evaluation_mode(model):
        for index, (x, y) in zip(indices, data.batches(batch_size, part=part), strict=True):
            x = x.to(device)
            check_finite("data: its inputs", x, index)
            scores = class_scores(model, x)
            check_finite(f"the class scores of {type(model).__name__}", scores, index)
            if not checked:
                check_labels(scores, data=data)
                checked = True
            loss += F.cross_entropy(scores, y.to(device), reduction="sum").item()
            predictions[index], labels[index] = scores.argmax(1).cpu(), y.cpu()
    predictions, labels = all_reduce_sum(predictions), all_reduce_sum(labels)
    return EvalResult(
        (predictions == labels).double().mean().item(),
        all_reduce_scalar(loss) / len(data),
        predictions,
        labels,
    )


def class_scores(model: nn.Module, x: Tensor) -> Tensor:
    """Compute the class scores of a batch in float32; states are reset before and after.

    Args:
        model: any network.
        x: the batch, `(T, B, ...)`.

    Returns:
        The scores, `(B, classes)`.

    Raises:
        SnnlabError: the network gives something else.
    """
    scores = forward_sequence(model, x)
    check_scores(model, x, scores)
    return cast(Tensor, scores).float()


def check_scores(model: nn.Module, x: Tensor, scores: object) -> None:
    """Check that a network's output are class scores.

    Raises:
        SnnlabError: it is no tensor of real numbers `(B, classes)`.
    """
    samples = x.shape[1]
    given = f"of the type {type(scores).__name__}"
    cure = "return the class scores alone from its forward"
    if isinstance(scores, Tensor):
        if scores.is_floating_point() and scores.dim() == 2 and len(scores) == samples:
            return
        given = f"of the shape {tuple(scores.shape)} and the type {scores.dtype}"
        if scores.dim() == 3:
            cure = "sum its scores over time, such as potentials.sum(0)"
        elif scores.dim() == 2:
            cure = "keep the samples apart, and give real numbers"
    raise SnnlabError(
        f"{type(model).__name__}: gives output {given} for input of the shape {tuple(x.shape)}; "
        f"expected class scores (B, classes) with B = {samples}: {cure}."
    )


def check_finite(name: str, values: Tensor, index: Tensor) -> None:
    """Check the inputs `(T, B, ...)` or scores `(B, classes)` of a batch.

    Args:
        name: what a message calls them.
        values: of the batch.
        index: the number of each sample, `(B,)`.

    Raises:
        SnnlabError: a value is infinite or not a number.
    """
    finite = values.isfinite()
    if not finite.all():
        by_sample = finite if values.dim() == 2 else finite.transpose(0, 1)
        wrong = index[~by_sample.flatten(1).all(1).cpu()]
        raise SnnlabError(
            f"{name} are not finite (inf or NaN) for {len(wrong)} of {len(index)} samples of a "
            f"batch, the first of them sample {int(wrong[0])}; expected finite numbers. Look for a "
            "division by 0 in what prepares the data, or for a training that diverged."
        )


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a network; the CPU without parameters and buffers.

    Raises:
        SnnlabError: it is no network.
    """
    check_network(model)
    tensors = itertools.chain(model.parameters(), model.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


def check_steps(model: nn.Module, dt_ms: float | None = None, **sets: Batches | None) -> None:
    """Check that data sets have the time step of a network, where both are known.

    Args:
        model: the network; a `DelayNet` may know its time step.
        dt_ms: the time step of any other network, ms; None where it is unknown.
        sets: the data sets, by the name that a message has; None is skipped.

    Raises:
        SnnlabError: a set has another time step.
    """
    if isinstance(model, DelayNet):
        dt_ms = model.config.dt_ms
    for name, data in sets.items():
        given_ms = getattr(data, "dt_ms", None)
        if dt_ms is not None and given_ms is not None and not same_dt(dt_ms, given_ms):
            raise SnnlabError(
                f"{name}: has steps of {given_ms:g} ms, the network of {dt_ms:g}; load the data "
                f"with dt_ms = {dt_ms:g}, or train a network with dt_ms = {given_ms:g}."
            )


def check_labels(scores: Tensor, **sets: Batches | None) -> None:
    """Check that a network has a score for every label.

    On a GPU, a loss of other labels ends in an error that the process does not survive.

    Args:
        scores: of any batch, `(B, classes)`.
        sets: the data sets, by the name that a message has; None is skipped.

    Raises:
        SnnlabError: a label is below 0, or is no class of the network.
    """
    classes = scores.shape[-1]
    for name, data in sets.items():
        if data is None:
            continue
        low, high = int(data.labels.min()), int(data.labels.max())
        if low < 0 or high >= classes:
            raise SnnlabError(
                f"{name}: has labels from {low} to {high}, but the network gives scores for "
                f"{classes} classes, whose labels are 0 to {classes - 1}; build it with as many "
                "classes as the data has."
            )
