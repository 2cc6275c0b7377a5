"""Callbacks that show or record each epoch: progress bar, JSON, TensorBoard, Weights & Biases."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import given_path, whole_file
from snnlab._utils.optional import import_optional
from snnlab.training.callbacks import Callback, TrainingProgress
from snnlab.training.log_choice import GIVEN, chosen

ASKED_FOR = f"{GIVEN} asks for unless it is set to none"
FIRST = b'{"epoch": '  # of each line
WriteScalars = Callable[[dict[str, float], int], object]  # numbers by name, and their epoch


class ProgressBar(Callback):
    """Show a progress bar of the epochs, with the last loss and validation accuracy."""

    _bar: Any = None

    def on_epoch_start(self, progress: TrainingProgress) -> None:
        """Show the bar."""
        if self._bar is None:
            done, epochs = len(progress.history), progress.recipe.epochs
            self._bar = tqdm(initial=done, total=epochs, unit="epoch")

    def on_epoch_end(self, progress: TrainingProgress) -> None:
        """Move the bar by an epoch."""
        line = progress.history[-1]
        self._bar.set_postfix(
            refresh=False, loss=f"{line['loss']:.3f}", valid=f"{line['valid_accuracy']:.3f}"
        )
        self._bar.update()

    def on_train_end(self, progress: TrainingProgress) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class MetricsLogger(Callback):
    """Write each line of the history to a file of JSON lines and to the chosen log.

    TensorBoard's event files go to `tensorboard/<stem of path>` beside `path`; in Weights & Biases
    the stem is the name of the run. A resumed training replaces what it had logged after its
    checkpoint.

    Args:
        path: the file; the lines of another training are replaced.

    Raises:
        SnnlabError: SNNLAB_LOG names an unknown log, or the file holds something else than lines of
            a training. The hooks raise it, too, where the disk is full or read-only, or the log's
            package is missing.
    """

    def __init__(self, path: str | Path) -> None:
        self._path, self._log = given_path(path), _LOGS[chosen()]
        _check_lines(self._path)
        self._started, self._opened = False, ExitStack()
        self._write_scalars: WriteScalars | None = None

    def on_epoch_start(self, progress: TrainingProgress) -> None:
        """Write the lines of finished epochs, without what a killed run wrote after them."""
        if not self._started:
            with whole_file(self._path) as temporary:
                text = "".join(json.dumps(line) + "\n" for line in progress.history)
                temporary.write_text(text, "utf-8")
            self._started = True

    def on_epoch_end(self, progress: TrainingProgress) -> None:
        """Write the line of the epoch."""
        line = progress.history[-1]
        epoch = int(line["epoch"])
        if self._write_scalars is None:
            self._write_scalars = self._opened.enter_context(self._log(self._path, epoch))
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        numbers = {name: value for name, value in line.items() if name != "epoch"}
        self._write_scalars(numbers, epoch)

    def on_train_end(self, progress: TrainingProgress) -> None:
        """Close the log; of a training that was finished before, write the lines."""
        if progress.history:
            self.on_epoch_start(progress)
        self._opened.__exit__(*sys.exc_info())


def _check_lines(path: Path) -> None:
    """Refuse to replace a file that does not begin as the lines of a training do."""
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(len(FIRST))
        if begins not in (b"", FIRST):
            raise SnnlabError(
                f"{path}: exists already, and has no lines of a training; choose another file for "
                "the metrics."
            )


@contextmanager
def _tensorboard(path: Path, epoch: int) -> Iterator[WriteScalars]:
    import_optional("tensorboard", ASKED_FOR)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(path.parent / "tensorboard" / path.stem, purge_step=epoch) as writer:

        def write(numbers: dict[str, float], epoch: int) -> None:
            for name, value in numbers.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

        yield write


@contextmanager
def _wandb(path: Path, epoch: int) -> Iterator[WriteScalars]:
    wandb = import_optional("wandb", ASKED_FOR)
    # The same id each time, so that a resumed training continues its run
    run_id = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    with wandb.init(
        project="snnlab", name=path.stem, dir=path.parent, id=run_id, resume="allow"
    ) as run:
        yield lambda numbers, epoch: run.log(numbers, step=epoch)


def _nowhere(path: Path, epoch: int) -> AbstractContextManager[WriteScalars]:
    return nullcontext(lambda numbers, epoch: None)


_LOGS = {"none": _nowhere, "tensorboard": _tensorboard, "wandb": _wandb}
