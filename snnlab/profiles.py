"""What a notebook can be told, and the three sizes in which it runs.

A notebook's parameters are the fields of a frozen dataclass, each with its type, unit, range and meaning. A profile is
one instance of it. `resolve` starts from a profile, puts in what was given, and refuses what does not fit.
"""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from snnlab.errors import SnnlabError
from snnlab.parameters import from_text, known, parameter, typed

DEFAULT_PROFILE = "course"


@dataclass(frozen=True)
class Config:
    """What every notebook can be told. An instance is valid: making one checks every field.

    Raises:
        SnnlabError: a value has another type than its field, or is out of its range.
    """

    notebook: ClassVar[str]

    profile: str = parameter("the size of the run", choices=("tiny", "course", "paper"))
    seed: int = parameter("where random numbers begin; the first seed of several", low=0, high=2**31 - 1)
    out: str = parameter(
        "folder for what the run leaves; empty for runs/<notebook>/<hash of the parameters>/seed=<seed>", decides=False
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, typed(field, getattr(self, field.name)))

    def deciding(self) -> dict[str, Any]:
        """The parameters that decide about the result, without the seed."""
        fields = (
            field for field in dataclasses.fields(self) if field.metadata["spec"].decides and field.name != "seed"
        )
        return {field.name: getattr(self, field.name) for field in fields}


@dataclass(frozen=True)
class LifDynamics(Config):
    """Notebook 01; its time step is 1 ms."""

    notebook = "01_lif_dynamics"

    tau_ms: float = parameter("membrane time constant of sections 5 and 8", unit="ms", low=1.001, high=10_000)
    duration_ms: float = parameter("how long those neurons are watched", unit="ms", low=100, high=100_000)
    neurons: int = parameter("neurons in section 8", low=1, high=10_000)
    seeds: int = parameter("how many neurons section 11 trains, of each kind", low=1, high=1000)
    training_steps: int = parameter("steps of the optimiser in section 11", low=1, high=100_000)
    live: bool = parameter("sliders in section 6; False leaves a picture", decides=False)


@dataclass(frozen=True)
class Training(Config):
    """What every notebook that trains several networks side by side can be told."""

    seeds: int = parameter("networks of each recipe", low=1, high=1000)
    batch_size: int = parameter("samples in a batch", low=1, high=1_000_000)
    accumulate: int = parameter(
        "parts of a batch that go through a network one by one, for want of memory", low=1, high=1_000_000
    )
    workers: int = parameter("processes that train at the same time; 0 for one a core", low=0, high=1024, decides=False)
    processes: int = parameter("processes that train one network together, one a GPU", low=1, high=1024, decides=False)
    device: str = parameter("where to train", choices=("auto", "cpu", "cuda"), decides=False)
    live: bool = parameter("sliders; False leaves pictures only", decides=False)


@dataclass(frozen=True)
class Transfer(Training):
    """What the notebooks about pretraining can both be told."""

    model: str = parameter("the network", choices=("small", "resnet18", "resnet34", "video"))
    channels: tuple[int, ...] = parameter("of each of the three convolutions of the small network", low=1, high=4096)
    pretrain_epochs: int = parameter("epochs of the ANN", low=1, high=100_000)
    scratch_epochs: tuple[int, ...] = parameter("lengths of training from scratch, each a run of its own", low=1)
    lr: tuple[float, ...] = parameter("learning rates that every recipe may choose from, by validation", low=0, high=10)
    schedule: str = parameter("how the learning rate of the ANN falls", choices=("cosine", "constant"))
    drops: tuple[int, ...] = parameter(
        "epochs of the spiking network from which its learning rate is multiplied by drop; [] for a cosine",
        low=0,
        empty=True,
    )
    drop: float = parameter("see drops", low=0, high=1)
    precision: str = parameter("of convolutions and matrix products", choices=("float32", "bfloat16"))
    loaders: int = parameter("processes that read files, for each of them", low=0, high=1024, decides=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != 3:
            raise SnnlabError(f"channels = {self.channels}: expected three numbers, one a convolution.")


@dataclass(frozen=True)
class PretrainAndTransfer(Transfer):
    """Notebook 02: pipe-S on pictures."""

    notebook = "02_pretrain_and_transfer"

    data: str = parameter("digits, imagenet, or a folder laid out as ImageNet-1K")
    size: int = parameter("side length of a picture", unit="pixels", low=8, high=1024)
    samples: int = parameter("training samples made from the digits; a sixth for validation", low=60, high=10_000_000)
    noise: float = parameter("standard deviation of the noise on digits, which are from 0 to 1", low=0, high=10)
    steps: int = parameter("T: how long the spiking network sees a picture", unit="steps", low=2, high=1000)
    short: int = parameter("a smaller T, for sections 6 and 8", unit="steps", low=1, high=1000)
    epochs: int = parameter("epochs of fine-tuning", low=1, high=100_000)
    fine_tune_lr: float = parameter("learning rate of the fine-tuning", low=0, high=10)
    optimiser: str = parameter("adam, or sgd with a momentum of 0.9", choices=("adam", "sgd"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.short >= self.steps:
            raise SnnlabError(
                f"short = {self.short}, steps = {self.steps}: expected short to be smaller; choose others."
            )


@dataclass(frozen=True)
class TransferToEvents(Transfer):
    """Notebook 03: pipe-D, from pictures to events."""

    notebook = "03_transfer_to_event_streams"

    data: str = parameter("what to learn", choices=("digits", "es-imagenet", "cifar10-dvs", "es-ucf101"))
    events_folder: str = parameter("where the events lie; empty for a folder with the name of the data")
    pictures_folder: str = parameter("where the pictures lie; empty for imagenet, or ucf101 for videos")
    size: int = parameter("side length of a frame of CIFAR10-DVS", unit="pixels", low=8, high=128)
    pictures: int = parameter("digits to pretrain on", low=60, high=10_000_000)
    labelled: int = parameter("recordings of digits as events to train on", low=20, high=10_000_000)
    first: str = parameter(
        "how a first layer for colours gets ON and OFF: the mean for both, or their sum and its negative",
        choices=("signed", "mean"),
    )
    decay: float = parameter("share of the membrane left after a step, at first; it is learned", low=0.01, high=0.99)
    weight_decay: float = parameter("weight decay on everything", low=0, high=10)
    warm_up_epochs: int = parameter("epochs in which only new layers learn", low=0, high=100_000)
    epochs: int = parameter("epochs on events; half of them as LIAF where that comes first", low=2, high=100_000)


@dataclass(frozen=True)
class LearningDelays(Training):
    """Notebook 04."""

    notebook = "04_learning_delays"

    data: str = parameter("spoken-digits, shd, ssc, gsc, or a folder laid out as one of them")
    features: str = parameter(
        "what of a recording is heard: spikes of the cochlea, or log-mel features of gsc, as in the paper or sane",
        choices=("spikes", "paper", "sane"),
    )
    binning: str = parameter(
        "where a time step of spikes begins: regular, or with an event as in the paper", choices=("regular", "event")
    )
    protocol: str = parameter(
        "who chooses the epoch: held-out data, or, as published for SHD, nobody, with all training recordings to train on",
        choices=("held-out", "published"),
    )
    limit: int = parameter("training recordings to use, and a quarter for validation; 0 for all", low=0)
    dt_ms: float = parameter("length of a time step", unit="ms", low=1, high=1000)
    n_in: int = parameter("inputs: 700 channels in groups of 700 / n_in", low=1, high=700)
    hidden: tuple[int, ...] = parameter("neurons of each hidden layer", low=1, high=100_000)
    max_delay: int = parameter("largest delay", unit="steps", low=1, high=1000)
    tau_ms: tuple[float, ...] = parameter(
        "membrane time constants to choose from, by validation", unit="ms", low=1, high=100_000
    )
    kernel_count: int = parameter("weights with a delay of their own per synapse", low=1, high=100)
    epochs: int = parameter(
        "passes through the training data, more if it has fewer recordings than limit", low=1, high=100_000
    )
    dropout: float = parameter("probability of silencing a neuron while training", low=0, high=0.99)
    lr_weights: float = parameter("highest learning rate of the weights", low=0, high=10)
    lr_delays: float = parameter("first learning rate of the delays", unit="steps", low=0, high=1000)
    weight_decay: float = parameter("weight decay of the weights", low=0, high=10)
    anneal_share: float = parameter("share of the epochs in which sigma shrinks", low=0, high=1)
    toy_trials: int = parameter("training trials of the toys in sections 1 and 7", low=100, high=1_000_000)
    toy_epochs: int = parameter("passes through those trials", low=1, high=100_000)
    connections: int = parameter("inputs that each hidden neuron listens to; 0 for all", low=0, high=100_000)
    fan_in: int = parameter("inputs of a hidden neuron in the sparse network of section 7", low=1, high=40)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.data == "gsc") != (self.features != "spikes") and not Path(self.data).expanduser().is_dir():
            raise SnnlabError(
                f"data = {self.data!r}, features = {self.features!r}: expected the features paper or sane for gsc, and spikes for the "
                "others."
            )
        if self.protocol == "published" and self.features != "spikes":
            raise SnnlabError(
                "protocol = 'published': gsc has a validation set, which is used; expected held-out, which also says how well the last epoch and "
                "the best on the test set do."
            )
        if self.features == "spikes" and 700 % self.n_in:
            raise SnnlabError(f"n_in = {self.n_in}: expected a divisor of the 700 channels, such as 70 or 140.")
        for tau_ms in self.tau_ms:
            if tau_ms <= self.dt_ms:
                raise SnnlabError(
                    f"tau_ms = {tau_ms:g}: expected more than one time step (dt_ms = {self.dt_ms:g}), "
                    "or a neuron would forget before the next one; choose a longer tau_ms or a shorter dt_ms."
                )


@dataclass(frozen=True)
class ExploringDelays(Config):
    """Notebook 05. What it does not say about the training of a network is as in the same profile of notebook 04."""

    notebook = "05_exploring_delays"

    checkpoint: str = parameter(
        "the network: a checkpoint, or the folder of a run of notebook 04; empty to train a small one on the spot"
    )
    data: str = parameter("what it hears: spoken-digits, shd, ssc, gsc, or a folder laid out as one of them")
    features: str = parameter(
        "what of a recording is heard: spikes of the cochlea, or log-mel features of gsc, as in the paper or sane",
        choices=("spikes", "paper", "sane"),
    )
    binning: str = parameter(
        "where a time step of spikes begins: regular, or with an event as in the paper", choices=("regular", "event")
    )
    dt_ms: float = parameter("length of the time step that it was trained with", unit="ms", low=1, high=1000)
    epochs: int = parameter("passes through the training data, where a network is trained", low=1, high=100_000)
    sample: int = parameter("which test recording is heard", low=0)
    recordings: int = parameter("test recordings that accuracies are measured on; 0 for all", low=0)
    factors: tuple[float, ...] = parameter("by which all delays are multiplied in section 5", low=0, high=100)
    device: str = parameter("where to train", choices=("auto", "cpu", "cuda"), decides=False)
    live: bool = parameter("controls; False leaves pictures only", decides=False)


@dataclass(frozen=True)
class PaperResults(Config):
    """Notebook 07."""

    notebook = "07_paper_results"

    folder: str = parameter("where the runs are, at any depth; empty for runs/")
    trainings: int = parameter("trainings that section 2 imagines", low=10, high=1_000_000)
    live: bool = parameter("sliders; False leaves pictures only", decides=False)


def _sizes(course: Config, *, tiny: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, Config]:
    return {
        "tiny": dataclasses.replace(course, profile="tiny", **tiny),
        "course": course,
        "paper": dataclasses.replace(course, profile="paper", **paper),
    }


PROFILES: dict[str, dict[str, Config]] = {
    LifDynamics.notebook: _sizes(
        LifDynamics(
            profile="course",
            seed=0,
            out="",
            tau_ms=20.0,
            duration_ms=1000.0,
            neurons=100,
            seeds=5,
            training_steps=200,
            live=True,
        ),
        tiny=dict(duration_ms=200.0, neurons=20, seeds=2, training_steps=20, live=False),
        paper=dict(duration_ms=10_000.0, neurons=1000, seeds=20, training_steps=1000, live=False),
    ),
    PretrainAndTransfer.notebook: _sizes(
        PretrainAndTransfer(
            profile="course",
            seed=0,
            out="",
            data="digits",
            samples=3000,
            size=12,
            noise=0.12,
            model="small",
            channels=(8, 16, 32),
            steps=12,
            short=6,
            pretrain_epochs=12,
            epochs=1,
            scratch_epochs=(2, 4),
            batch_size=64,
            accumulate=1,
            lr=(2e-2, 4e-2),
            fine_tune_lr=1e-2,
            optimiser="adam",
            schedule="cosine",
            drops=(),
            drop=0.3,
            precision="float32",
            processes=1,
            loaders=0,
            seeds=3,
            workers=0,
            device="auto",
            live=True,
        ),
        tiny=dict(
            samples=300,
            steps=4,
            short=2,
            pretrain_epochs=2,
            scratch_epochs=(1, 2),
            lr=(2e-2, 4e-2),
            seeds=1,
            workers=1,
            live=False,
        ),
        paper=dict(  # ImageNet-1K in Lin et al. 2022; what differs stands in params/pipe_s_imagenet_resnet18.yaml
            data="imagenet",
            size=224,
            model="resnet18",
            steps=6,
            short=4,
            pretrain_epochs=100,
            epochs=10,
            scratch_epochs=(14, 27),
            batch_size=256,
            lr=(0.05, 0.1),
            fine_tune_lr=0.1,
            optimiser="sgd",
            schedule="constant",
            drops=(2, 4, 6, 8),
            precision="bfloat16",
            loaders=12,
            seeds=1,
            workers=1,
            live=False,
        ),
    ),
    TransferToEvents.notebook: _sizes(
        TransferToEvents(
            profile="course",
            seed=0,
            out="",
            data="digits",
            events_folder="",
            pictures_folder="",
            pictures=3000,
            labelled=500,
            size=128,
            model="small",
            channels=(8, 16, 32),
            first="signed",
            decay=0.622,
            weight_decay=0.0,
            pretrain_epochs=8,
            warm_up_epochs=1,
            epochs=10,
            scratch_epochs=(20, 48),
            batch_size=32,
            accumulate=1,
            lr=(2e-2, 4e-2),
            schedule="cosine",
            drops=(),
            drop=0.3,
            precision="float32",
            processes=1,
            loaders=0,
            seeds=3,
            workers=0,
            device="auto",
            live=True,
        ),
        tiny=dict(
            pictures=200,
            labelled=60,
            pretrain_epochs=1,
            epochs=2,
            scratch_epochs=(1, 2),
            lr=(2e-2, 4e-2),
            seeds=1,
            workers=1,
            live=False,
        ),
        paper=dict(  # ES-ImageNet in Lin et al. 2022; what differs stands in params/pipe_d_es_imagenet_resnet18.yaml
            data="es-imagenet",
            model="resnet18",
            first="mean",
            pretrain_epochs=25,
            warm_up_epochs=2,
            epochs=25,
            scratch_epochs=(25, 50),
            batch_size=160,
            lr=(1e-2, 3e-2),
            schedule="constant",
            drops=(15,),
            precision="bfloat16",
            loaders=12,
            seeds=1,
            workers=1,
            live=False,
        ),
    ),
    LearningDelays.notebook: _sizes(
        LearningDelays(
            profile="course",
            seed=0,
            out="",
            data="spoken-digits",
            features="spikes",
            binning="regular",
            protocol="held-out",
            limit=2000,
            seeds=3,
            dt_ms=20.0,
            n_in=70,
            hidden=(16, 16),
            max_delay=12,
            tau_ms=(20.1, 40.0, 100.0),
            kernel_count=1,
            epochs=12,
            batch_size=64,
            accumulate=1,
            dropout=0.1,
            lr_weights=2e-2,
            lr_delays=0.3,
            weight_decay=1e-5,
            anneal_share=0.5,
            toy_trials=2000,
            toy_epochs=15,
            connections=0,
            fan_in=2,
            processes=1,
            workers=0,
            device="auto",
            live=True,
        ),
        tiny=dict(
            limit=200,
            seeds=1,
            hidden=(16,),
            workers=1,
            tau_ms=(20.1, 100.0),
            epochs=2,
            toy_trials=200,
            toy_epochs=2,
            live=False,
        ),
        paper=dict(  # SHD in Hammouamri et al. 2024
            data="shd",
            limit=0,
            seeds=10,
            dt_ms=10.0,
            n_in=140,
            hidden=(256, 256),
            max_delay=24,
            tau_ms=(10.05,),
            epochs=150,
            batch_size=256,
            dropout=0.4,
            lr_weights=5e-3,
            lr_delays=0.1,
            anneal_share=0.25,
            toy_trials=4000,
            toy_epochs=40,
            workers=1,
            live=False,
        ),
    ),
    ExploringDelays.notebook: _sizes(
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
    ),
    PaperResults.notebook: _sizes(
        PaperResults(profile="course", seed=0, out="", folder="", trainings=2000, live=True),
        tiny=dict(trainings=200, live=False),
        paper=dict(trainings=20_000, live=False),
    ),
}

NOTEBOOKS: dict[str, type[Config]] = {stem: type(sizes["course"]) for stem, sizes in PROFILES.items()}


def resolve(notebook: str, /, **parameters: Any) -> Any:
    """The configuration of a run: the profile's values, and over them whatever is given and not None.

    Args:
        notebook: stem of the notebook, such as "04_learning_delays".
        parameters: its parameters by name; `profile` is one of them, and None means SNNLAB_PROFILE, or else "course".

    Returns:
        An instance of `NOTEBOOKS[notebook]`.

    Raises:
        SnnlabError: there is no such notebook, profile or parameter, or a value has the wrong type or range.
    """
    sizes = PROFILES[known(notebook, PROFILES, "notebook")]
    names = [field.name for field in dataclasses.fields(NOTEBOOKS[notebook])]
    for name in parameters:
        known(name, names, f"parameter of {notebook}")
    given = {name: value for name, value in parameters.items() if value is not None}
    profile = given.pop("profile", None) or os.environ.get("SNNLAB_PROFILE") or DEFAULT_PROFILE
    return dataclasses.replace(sizes[known(profile, sizes, "profile")], **given)


def from_file(path: Path) -> dict[str, Any]:
    """The parameters in a YAML file, as papermill's -f takes them; `resolve` checks them.

    Raises:
        SnnlabError: the file is missing or no YAML, or holds no parameters.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SnnlabError(
            f"{path}: cannot be read as YAML ({str(error).splitlines()[0]}); lines such as `epochs: 30` were expected."
        ) from error
    if not isinstance(content, dict):
        raise SnnlabError(f"{path}: holds no parameters; lines such as `epochs: 30` were expected.")
    return content


def parse(notebook: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Parameters typed on a command line, as values of the types that their fields have.

    Raises:
        SnnlabError: there is no such notebook or parameter, or a text cannot be read as its type.
    """
    fields = {field.name: field for field in dataclasses.fields(NOTEBOOKS[known(notebook, NOTEBOOKS, "notebook")])}
    return {
        name: from_text(fields[known(name, fields, f"parameter of {notebook}")], text) for name, text in texts.items()
    }
