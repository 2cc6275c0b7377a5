"""The parameters of notebook 05, and its three profiles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnlab._utils.fields import parameter
from snnlab._utils.files import sha256, sha256_of, whole_files
from snnlab.course.config.learning_delays import delay_config
from snnlab.course.config.shared import Recordings, sizes


@dataclass(frozen=True)
class ExploringDelays(Recordings):
    """Notebook 05. What it does not say about the training of a network is as in the same profile of notebook 04."""

    notebook = "05_exploring_delays"

    checkpoint: str = parameter(
        "the network: a checkpoint, or the folder of a run of notebook 04; empty to train a small one on the spot",
        empty=True,
    )
    dt_ms: float = parameter(
        "length of the time step that it was trained with", unit="ms", low=1, high=1000
    )
    epochs: int = parameter(
        "passes through the training data, where a network is trained",
        low=1,
        high=100_000,
        needs={"checkpoint": ("",)},
    )
    sample: int = parameter("which test recording is heard", low=0)
    recordings: int = parameter("test recordings that accuracies are measured on; 0 for all", low=0)
    factors: tuple[float, ...] = parameter(
        "by which all delays are multiplied in section 5", low=0, high=100
    )
    device: str = parameter(
        "where to train",
        choices=("auto", "cpu", "cuda"),
        decides=False,
        needs={"checkpoint": ("",)},
    )
    live: bool = parameter("controls; False leaves pictures only", decides=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.checkpoint:  # which would say how many inputs there are
            delay_config(self)

    def deciding(self) -> dict[str, Any]:
        """The parameters that decide about the result; of the checkpoint, what is in it and not its name."""
        return super().deciding() | {"checkpoint": _contents(self.checkpoint)}


def _contents(checkpoint: str) -> str:
    """Return a checksum over a checkpoint, or over those in a folder; the text itself where there is none."""
    path = Path(checkpoint).expanduser()
    files = whole_files(path, "*.pt") if path.is_dir() else [path]
    if not checkpoint or not all(file.is_file() for file in files):
        return checkpoint
    return sha256_of(sha256(file) for file in files)


EXPLORING_DELAYS = sizes(
    ExploringDelays(
        profile="course",
        seed=0,
        out="",
        checkpoint="",
        data="spoken-digits",
        features="spikes",
        binning="regular",
        dt_ms=20.0,
        epochs=8,
        sample=777,
        recordings=500,
        factors=(0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0),
        device="auto",
        live=True,
    ),
    tiny=dict(epochs=2, recordings=100, factors=(0.0, 1.0, 2.0), live=False),
    paper=dict(data="shd", dt_ms=10.0, epochs=150, recordings=0, live=False),
)
