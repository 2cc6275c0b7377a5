"""The parameters that several notebooks share, and how the profiles of a notebook are made."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter, typed
from snnlab.data.entry import DatasetEntry
from snnlab.data.registry import find

count = partial(parameter, low=1, high=100_000)  # of epochs, steps or neurons
learning_rate = partial(parameter, low=1e-6, high=10)
# Parameters of "paper" that have to do with SHD, as in Hammouamri et al. 2024
SHD = {"data": "shd", "limit": 0, "dt_ms": 10.0, "n_in": 140, "batch_size": 256, "workers": 1}


@dataclass(frozen=True)
class Config:
    """The parameters of every notebook. Creating an instance checks every field.

    Lessons lie in notebooks/, pages on real recordings in notebooks/real/: the course needs no data
    that is not shipped.

    Raises:
        SnnlabError: a value has another type than its field, or is out of its range.
    """

    notebook: ClassVar[str]
    notebook_folder: ClassVar[str] = "notebooks"  # from the root of the clone

    profile: str = parameter("course", "the size of the run", choices=("tiny", "course", "paper"))
    seed: int = parameter(0, "first seed of the random numbers", low=0, high=2**31 - 1)
    out: str = parameter(
        "",
        "folder for what the run leaves; empty for runs/<notebook>/<hash>/seed=<seed>",
        empty=True,
        decides=False,
    )
    live: bool = parameter(True, "sliders; False leaves pictures only", decides=False)

    def __post_init__(self) -> None:
        """Check each field, and convert it to its type."""
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, typed(field, getattr(self, field.name)))

    def changed(self, **given: Any) -> Self:
        """Return this configuration with other values; a subclass may derive further ones."""
        return dataclasses.replace(self, **given)

    def deciding(self) -> dict[str, Any]:
        """Return the parameters that change the result, without the seed."""
        fields = (
            field
            for field in dataclasses.fields(self)
            if field.metadata["spec"].decides and field.name != "seed"
        )
        return {field.name: getattr(self, field.name) for field in fields}


Kind = TypeVar("Kind", bound=Config)


@dataclass(frozen=True)
class TrainingParameters(Config):
    """The parameters of notebooks that train several networks."""

    seeds: int = parameter(3, "networks of each recipe", low=1, high=1000)
    batch_size: int = parameter(64, "samples in a batch", low=1, high=1_000_000)
    accumulate: int = parameter(
        1,
        "parts of a batch that go through a network one by one, for want of memory",
        low=1,
        high=1_000_000,
    )
    workers: int = parameter(
        0,
        "processes that train at the same time; 0 for one a core",
        low=0,
        high=1024,
        decides=False,
    )
    processes: int = parameter(
        1, "processes that train one network together, one a GPU", low=1, high=1024, decides=False
    )
    device: str = parameter(
        "auto", "where to train", choices=("auto", "cpu", "cuda"), decides=False
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if self.workers > 1 and self.processes > 1:
            raise SnnlabError(
                f"workers = {self.workers}, processes = {self.processes}: networks that several "
                "processes train together are trained one after another; leave workers out."
            )


@dataclass(frozen=True)
class TransferParameters(TrainingParameters):
    """The parameters of the notebooks about pretraining."""

    model: str = parameter(
        "small", "the network", choices=("small", "resnet18", "resnet34", "video")
    )
    channels: tuple[int, ...] = parameter(
        (8, 16, 32),
        "of each of the three convolutions of the small network",
        low=1,
        high=4096,
        repeats=True,
        needs={"model": ("small",)},
    )
    pretrain_epochs: int = count(12, "epochs of the ANN")
    scratch_epochs: tuple[int, ...] = parameter(
        (2, 4), "lengths of training from scratch, each a run of its own", low=1
    )
    lr: tuple[float, ...] = learning_rate(
        (0.02, 0.04),
        "learning rates that every recipe may choose from, by validation; a choice at the edge "
        "tries the next one",
    )
    schedule: str = parameter(
        "cosine", "how the learning rate of the ANN falls", choices=("cosine", "constant")
    )
    drops: tuple[int, ...] = parameter(
        (),
        "epochs of the spiking network from which its learning rate is multiplied by drop; [] "
        "for a cosine",
        low=0,
        empty=True,
        repeats=True,
    )
    drop: float = parameter(0.3, "see drops", low=0, high=1, unless={"drops": ((),)})
    precision: str = parameter(
        "float32", "of convolutions and matrix products", choices=("float32", "bfloat16")
    )
    loaders: int = parameter(
        0,
        "processes that read files, for each of them",
        low=0,
        high=1024,
        decides=False,
        unless={"data": ("digits",)},
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if len(self.channels) != 3:
            raise SnnlabError(
                f"channels = {self.channels}: expected three numbers, one a convolution."
            )


@dataclass(frozen=True)
class TimeStep(Config):
    """The time step of networks with delays."""

    dt_ms: float = parameter(20.0, "length of a time step", unit="ms", low=1, high=1000)


@dataclass(frozen=True)
class DelayNetParameters(TimeStep, TrainingParameters):
    """The parameters of notebooks that choose all of a network with delays and of its training."""

    hidden: tuple[int, ...] = count((16, 16), "neurons of each hidden layer", repeats=True)
    max_delay: int = parameter(12, "largest delay", unit="steps", low=1, high=1000)
    tau_ms: tuple[float, ...] = parameter(
        (20.1, 40.0, 80.0),
        "membrane time constants that every variant chooses from, by validation",
        unit="ms",
        low=1,
        high=100_000,
    )
    dropout: float = parameter(
        0.1, "probability of silencing a neuron while training", low=0, high=0.99
    )
    lr_weights: float = learning_rate(0.02, "highest learning rate of the weights")
    lr_factors: tuple[float, ...] = parameter(
        (0.5, 1.0, 2.0),
        "factors of lr_weights, and in notebook 04 then of lr_delays, that every variant chooses "
        "from, by validation",
        low=1e-6,
        high=1000,
    )
    lr_delays: float = parameter(
        0.3, "first learning rate of the delays", unit="steps", low=0, high=1000
    )
    weight_decay: float = parameter(1e-5, "weight decay of the weights", low=0, high=10)
    anneal_share: float = parameter(
        0.5, "share of the epochs in which sigma shrinks", low=0, high=1
    )

    def __post_init__(self) -> None:
        """Check the fields, and that no membrane time constant is as short as a time step."""
        super().__post_init__()
        for value in self.tau_ms:
            if value <= self.dt_ms:
                raise SnnlabError(
                    f"tau_ms = {value:g}: expected more than one time step (dt_ms = "
                    f"{self.dt_ms:g}), or a neuron would forget before the next one; choose a "
                    "longer tau_ms or a shorter dt_ms."
                )


@dataclass(frozen=True)
class Recordings(Config):
    """The parameters of the notebooks about delays: which recordings, in which form.

    Attributes:
        own: parameters that mean something else in notebook 04.
    """

    own: ClassVar[frozenset[str]] = frozenset()

    data: str = parameter(
        "spoken-digits",
        "recordings: spoken-digits, shd, ssc, gsc, speech-commands-test, or a set of your own: its "
        "name below the data folder, its path, or module:entry",
    )
    features: str = parameter(
        "spikes",
        "input of the network: spikes of the cochlea, or log-mel features of gsc and "
        "speech-commands-test, as in the paper or sane",
        choices=("spikes", "paper", "sane"),
    )
    binning: str = parameter(
        "regular",
        "where a time step of spikes begins: regular, or with an event as in the paper",
        choices=("regular", "event"),
        needs={"features": ("spikes",)},
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        entry, _ = self.find_recordings()
        if self.features not in entry.features:
            raise SnnlabError(
                f"data = {self.data!r}, features = {self.features!r}: expected the features "
                f"{' or '.join(entry.features)} for {entry.name}."
            )

    def find_recordings(self) -> tuple[DatasetEntry, str | Path]:
        """Return the entry that reads the recordings, and where their files are; see `find`."""
        return find(self.data, "recordings", features=self.features)


@dataclass(frozen=True)
class DelayTraining(TimeStep, TrainingParameters, Recordings):
    """The parameters of notebooks that train several networks on recordings."""

    limit: int = parameter(
        2000, "training recordings to use, and a quarter for validation; 0 for all", low=0
    )
    n_in: int = parameter(
        70, "inputs: a divisor of the channels, which are summed in groups", low=1, high=65_536
    )

    def __post_init__(self) -> None:
        """Check the fields, and that there may be recordings of two classes."""
        super().__post_init__()
        if self.limit == 1:
            raise SnnlabError(
                "limit = 1: expected at least 2, or 0 for all recordings; one recording has a "
                "single class, of which no network learns anything."
            )


def profiles(course: Kind, *, tiny: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, Kind]:
    """Make the three profiles of a notebook; the other two differ from "course" as they say.

    Only "course" has interactive controls.
    """
    return {
        "tiny": dataclasses.replace(course, profile="tiny", **{"live": False, **tiny}),
        "course": course,
        "paper": dataclasses.replace(course, profile="paper", **{"live": False, **paper}),
    }
