"""The parameters of notebook 05, and its three profiles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnlab._utils.fields import parameter
from snnlab._utils.files import checkpoints_below, sha256, sha256_of
from snnlab._utils.references import module_file
from snnlab.course.config.learning_delays import delay_config
from snnlab.course.config.shared import Recordings, TimeStep, count, profiles

BUILDS = "a class or function without arguments that builds the network"


@dataclass(frozen=True)
class ExploringDelays(TimeStep, Recordings):
    """Notebook 05. All other settings of the training are those of notebook 04's profile."""

    notebook = "05_exploring_delays"

    checkpoint: str = parameter(
        "",
        "the network: a checkpoint, or the folder of a run of notebook 04; empty to train a small "
        "one",
        empty=True,
    )
    model: str = parameter(
        "",
        f"module:NAME, {BUILDS} of the checkpoint; empty for a DelayNet",
        empty=True,
        unless={"checkpoint": ("",)},
    )
    n_in: int = parameter(
        70,
        "inputs: a divisor of the channels, which are summed in groups; a DelayNet in a checkpoint "
        "has its own",
        low=1,
        high=65_536,
    )
    epochs: int = count(
        8,
        "passes through the training data, where a network is trained",
        needs={"checkpoint": ("",)},
    )
    sample: int = parameter(777, "number of the test recording that is shown", low=0)
    recordings: int = parameter(
        500, "test recordings that accuracies are measured on; 0 for all", low=0
    )
    factors: tuple[float, ...] = parameter(
        (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0),
        "by which all delays are multiplied in section 5",
        low=0,
        high=100,
    )
    device: str = parameter(
        "auto",
        "where to train",
        choices=("auto", "cpu", "cuda"),
        decides=False,
        needs={"checkpoint": ("",)},
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if self.model:
            module_file(self.model, BUILDS)
        if not self.checkpoint:  # a checkpoint has its own number of inputs
            delay_config(self)

    def deciding(self) -> dict[str, Any]:
        """Return the parameters that change the result, with checksums of checkpoint and module."""
        model = f"{self.model} {sha256(module_file(self.model, BUILDS))}" if self.model else ""
        return super().deciding() | {"checkpoint": _contents(self.checkpoint), "model": model}


def _contents(checkpoint: str) -> str:
    """Return a checksum of the checkpoint or of those in a folder; without any, the path itself."""
    path = Path(checkpoint).expanduser()
    files = checkpoints_below(path) if path.is_dir() else [path]
    if not checkpoint or not all(file.is_file() for file in files):
        return checkpoint
    return sha256_of(sha256(file) for file in files)


EXPLORING_DELAYS = profiles(
    ExploringDelays(),
    tiny=dict(epochs=2, recordings=100, factors=(0.0, 1.0, 2.0)),
    paper=dict(data="shd", dt_ms=10.0, n_in=140, epochs=150, recordings=0),
)
