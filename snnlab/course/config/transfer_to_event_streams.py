"""The parameters of notebook 03, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Transfer, profiles

DIGITS, FILES = ("digits",), ("es-imagenet", "cifar10-dvs", "es-ucf101")


@dataclass(frozen=True)
class TransferToEvents(Transfer):
    """Notebook 03: pipe-D, from pictures to events."""

    notebook = "03_transfer_to_event_streams"

    data: str = parameter("digits", "what to learn", choices=DIGITS + FILES)
    events_folder: str = parameter(
        "",
        "where the events lie; empty for a folder with the name of the data",
        empty=True,
        needs={"data": FILES},
    )
    pictures_folder: str = parameter(
        "",
        "where the pictures lie; empty for imagenet, or ucf101 for videos",
        empty=True,
        needs={"data": FILES},
    )
    size: int = parameter(
        128,
        "side length of a frame of CIFAR10-DVS",
        unit="pixels",
        low=8,
        high=128,
        needs={"data": ("cifar10-dvs",)},
    )
    pictures: int = parameter(
        3000,
        "digits to pretrain on",
        low=60,
        high=10_000_000,
        needs={"data": DIGITS},
    )
    labelled: int = parameter(
        500,
        "recordings of digits as events to train on",
        low=20,
        high=10_000_000,
        needs={"data": DIGITS},
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
    warm_up_epochs: int = parameter(1, "epochs in which only new layers learn", low=0, high=100_000)
    epochs: int = parameter(
        10, "epochs on events; half of them as LIAF where that comes first", low=2, high=100_000
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.model == "video") != (self.data == "es-ucf101"):
            raise SnnlabError(
                f"model = {self.model!r}, data = {self.data!r}: expected the model video for "
                "es-ucf101, and for nothing else."
            )
        if self.data == "cifar10-dvs" and 128 % self.size > 2:
            raise SnnlabError(
                f"size = {self.size}: expected a number of pixels of which a multiple is 126 to "
                "128, such as 128, 64, 42 or 32."
            )

    @property
    def pictures_set(self) -> str:
        """The data set that one pretrains on where the data is not digits."""
        return "ucf101" if self.data == "es-ucf101" else "imagenet"


TRANSFER_TO_EVENT_STREAMS = profiles(
    TransferToEvents(batch_size=32, pretrain_epochs=8, scratch_epochs=(20, 48)),
    tiny=dict(
        pictures=200,
        labelled=60,
        pretrain_epochs=1,
        epochs=2,
        scratch_epochs=(1, 2),
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
        lr=(1e-2, 3e-2),
        schedule="constant",
        drops=(15,),
        precision="bfloat16",
        loaders=12,
        seeds=1,
        workers=1,
    ),
)
