"""What a training says of itself after each epoch: a line of JSON, and the same for TensorBoard or Weights & Biases.

The environment variable SNNLAB_LOG names the latter, "tensorboard", "wandb" or "none"; it goes on
to processes that are started. If it is not set, runs at paper profile take "tensorboard" and others
"none".
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab._utils.files import whole_file

GIVEN, DEFAULT = "SNNLAB_LOG", "SNNLAB_LOG_DEFAULT"

Line = Mapping[str, float]


def chosen() -> str:
    """Which log is on.

    Raises:
        SnnlabError: SNNLAB_LOG names another.
    """
    return known(os.environ.get(GIVEN) or os.environ.get(DEFAULT) or "none", _LOGS, "log")


@contextmanager
def written(path: Path, history: Sequence[Line]) -> Iterator[Callable[[Line], None]]:
    """Give a function that takes the line of an epoch and writes it to `path`, and to the log that is on.

    TensorBoard's event files go to `tensorboard/<stem of path>` beside `path`; in Weights & Biases
    the stem is the name. What a training that is gone on with had logged beyond its checkpoint is
    replaced.

    Args:
        path: file with one JSON object a line and epoch; written anew with the lines of `history`.
        history: the epochs that are over.

    Raises:
        SnnlabError: the disk is full or read-only, the log is unknown, or its package is missing.
    """
    log = _LOGS[chosen()]
    with whole_file(path) as temporary:  # a line half written by a killed run goes
        temporary.write_text("".join(json.dumps(line) + "\n" for line in history))
    scalars: Callable[[dict[str, float], int], object] | None = None
    with ExitStack() as stack:

        def write(line: Line) -> None:
            nonlocal scalars
            # Not before there is something to log: of a finished training nothing is opened
            if scalars is None:
                scalars = stack.enter_context(log(path, int(line["epoch"])))
            with open(path, "a") as file:
                file.write(json.dumps(line) + "\n")
            scalars(
                {name: value for name, value in line.items() if name != "epoch"}, int(line["epoch"])
            )

        yield write


@contextmanager
def _nowhere(path: Path, epoch: int) -> Iterator[Callable[[dict[str, float], int], object]]:
    yield lambda numbers, epoch: None


@contextmanager
def _tensorboard(path: Path, epoch: int) -> Iterator[Callable[[dict[str, float], int], object]]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _missing("tensorboard", error) from error
    with SummaryWriter(path.parent / "tensorboard" / path.stem, purge_step=epoch) as writer:

        def scalars(numbers: dict[str, float], epoch: int) -> None:
            for name, value in numbers.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

        yield scalars


@contextmanager
def _wandb(path: Path, epoch: int) -> Iterator[Callable[[dict[str, float], int], object]]:
    try:
        import wandb
    except ImportError as error:
        raise _missing("wandb", error) from error
    # So that a killed training goes on there, too
    same = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with wandb.init(
        project="snnlab", name=path.stem, dir=path.parent, id=same, resume="allow"
    ) as run:
        yield lambda numbers, epoch: run.log(numbers, step=epoch)


def _missing(package: str, error: ImportError) -> SnnlabError:
    return SnnlabError(
        f"{package} cannot be imported ({error}); it was expected, to log to it. Install it with `pip install {package}`, or set "
        f"{GIVEN} to none."
    )


_LOGS = {"none": _nowhere, "tensorboard": _tensorboard, "wandb": _wandb}
