"""The parameters of notebook 03, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import TransferParameters, count, learning_rate, profiles
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.registry import entry_of, find_set

DIGITS = ("digits",)
_SETS = [entry for entry in DATASETS.values() if entry.pretrain_on]
# of sets with one size
_ONE_SIZE = DIGITS + tuple(entry.name for entry in _SETS if "size" not in entry.settings)
_LABELLED = DIGITS + tuple(entry.name for entry in _SETS if "labelled" in entry.settings)
_PICTURES = DIGITS + tuple(
    entry.name for entry in _SETS if "pictures" in entry_of(entry.pretrain_on).settings
)
_NO_FOLDS = DIGITS + tuple(entry.name for entry in _SETS if "folds" not in entry.settings)


@dataclass(frozen=True)
class TransferToEvents(TransferParameters):
    """Notebook 03: pipe-D, from pictures to events."""

    notebook = "03_transfer_to_event_streams"

    data: str = parameter(
        "digits",
        f"what to learn: digits, {', '.join(entry.name for entry in _SETS)}, or a set of your own: "
        "its name below the data folder, its path, or module:entry",
    )
    events_folder: str = parameter(
        "",
        "where the events lie; empty for a folder with the name of the data",
        empty=True,
        unless={"data": DIGITS},
    )
    pictures_folder: str = parameter(
        "",
        "where the pictures lie; empty for those of the set: imagenet, ucf101 or mnist; digits for "
        "your own",
        empty=True,
        unless={"data": DIGITS},
    )
    size: int = parameter(
        128,
        "side length of a frame of CIFAR10-DVS, or at most that of your own",
        unit="pixels",
        low=8,
        high=128,
        unless={"data": _ONE_SIZE},
    )
    controls: bool = parameter(True, "whether to train the grid of what is handed over, section 8")
    toys: bool = parameter(True, "whether to train networks for films of moving shapes, at the end")
    pictures: int = parameter(
        3000,
        "digits to pretrain on",
        low=60,
        high=10_000_000,
        needs={"data": _PICTURES},
    )
    labelled: int = parameter(
        400,
        "recordings of digits as events to train on",
        low=20,
        high=10_000_000,
        needs={"data": _LABELLED},
    )
    folds: int = parameter(
        0,
        "parts of all recordings that are tested on in turn, divided by person where the set says "
        "who was recorded (dvs-gesture, folders of your own); 0 for the set's own split",
        low=0,
        high=1000,
        unless={"data": _NO_FOLDS},
    )
    fold: int = parameter(
        0, "the part that is tested on, from 0", low=0, high=999, unless={"folds": (0,)}
    )
    first: str = parameter(
        "signed",
        "how a first layer for colours gets ON and OFF: the mean for both, or their sum and its "
        "negative",
        choices=("signed", "mean"),
    )
    decay: float = parameter(
        0.622,
        "share of the membrane left after a step, at first; it is learned",
        low=0.01,
        high=0.99,
    )
    weight_decay: float = parameter(0.0, "weight decay on everything", low=0, high=10)
    warm_up_epochs: int = count(1, "epochs in which only new layers learn", low=0)
    epochs: int = count(8, "epochs on events; half of them as LIAF where that comes first", low=2)
    films: int = parameter(
        400,
        "films of moving shapes to train on, in the last section",
        low=12,
        high=1_000_000,
        needs={"toys": (True,)},
    )
    film_epochs: int = count(
        12,
        "epochs on films; in pipe-D half as an ANN, a quarter as LIAF",
        low=4,
        needs={"toys": (True,)},
    )
    film_lr: tuple[float, ...] = learning_rate(
        (0.005, 0.01, 0.02),
        "learning rates that every recipe for films may choose from",
        needs={"toys": (True,)},
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        films = False
        if self.data not in DIGITS:
            entry, _ = find_set(self.data, "events")
            if not (entry.pretrain_on and (entry.edges or entry_of(entry.pretrain_on).edges)):
                raise SnnlabError(
                    f"data = {self.data!r}: a set with pictures to pretrain on was expected; "
                    f"choose digits or one of {', '.join(entry.name for entry in _SETS)}."
                )
            films = entry_of(entry.pretrain_on).kind == "films"
        if (self.model == "video") != films:
            raise SnnlabError(
                f"model = {self.model!r}, data = {self.data!r}: expected the model video for "
                "films, such as es-ucf101, and for nothing else."
            )


TRANSFER_TO_EVENT_STREAMS = profiles(
    TransferToEvents(
        batch_size=32, pretrain_epochs=4, scratch_epochs=(15, 30), lr=(0.01, 0.02, 0.04)
    ),
    tiny=dict(
        pictures=200,
        labelled=60,
        pretrain_epochs=1,
        epochs=2,
        scratch_epochs=(1, 2),
        lr=(0.02,),
        films=24,
        film_epochs=4,
        film_lr=(0.01,),
        seeds=1,
        workers=1,
    ),
    # ES-ImageNet in Lin et al. 2022; what differs stands in params/pipe_d_es_imagenet_resnet18.yaml
    paper=dict(
        data="es-imagenet",
        model="resnet18",
        first="mean",
        pretrain_epochs=25,
        warm_up_epochs=2,
        epochs=25,
        scratch_epochs=(25, 50),
        batch_size=160,
        lr=(1e-2, 3e-2, 1e-1),
        schedule="constant",
        drops=(15,),
        precision="bfloat16",
        loaders=12,
        seeds=1,
        workers=1,
    ),
)
