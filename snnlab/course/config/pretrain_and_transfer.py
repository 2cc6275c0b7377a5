"""The parameters of notebook 02, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import TransferParameters, count, learning_rate, profiles


@dataclass(frozen=True)
class PretrainAndTransfer(TransferParameters):
    """Notebook 02: pipe-S on pictures."""

    notebook = "02_pretrain_and_transfer"

    data: str = parameter("digits", "digits, imagenet, or a folder laid out as ImageNet-1K")
    size: int = parameter(12, "side length of a picture", unit="pixels", low=8, high=1024)
    samples: int = parameter(
        3000,
        "training samples made from the digits; a sixth for validation",
        low=60,
        high=10_000_000,
        needs={"data": ("digits",)},
    )
    noise: float = parameter(
        0.12,
        "standard deviation of the noise on digits, which are from 0 to 1",
        low=0,
        high=10,
        needs={"data": ("digits",)},
    )
    steps: int = parameter(
        12, "T: how long the spiking network sees a picture", unit="steps", low=2, high=1000
    )
    short: int = parameter(6, "a smaller T, for sections 6 and 8", unit="steps", low=1, high=1000)
    controls: bool = parameter(
        True,
        "whether to train more than scratch and pipe-S with T steps: the controls of sections 4, 5 "
        "and 7, the race of section 6 and the neuron of section 8",
    )
    epochs: int = count(1, "epochs of fine-tuning")
    fine_tune_lr: tuple[float, ...] = learning_rate(
        (0.005, 0.01, 0.02),
        "learning rates of the fine-tuning to choose from, in the same way, after that of the "
        "pretraining",
    )
    optimiser: str = parameter(
        "adam", "adam, or sgd with a momentum of 0.9", choices=("adam", "sgd")
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if self.model == "video":
            raise SnnlabError("model = 'video': expected small, resnet18 or resnet34 for pictures.")
        if self.short >= self.steps:
            raise SnnlabError(
                f"short = {self.short}, steps = {self.steps}: expected short to be smaller; choose "
                "others."
            )


PRETRAIN_AND_TRANSFER = profiles(
    PretrainAndTransfer(lr=(0.02, 0.04, 0.08)),
    tiny=dict(
        samples=300,
        steps=4,
        short=2,
        pretrain_epochs=2,
        scratch_epochs=(1, 2),
        seeds=1,
        workers=1,
    ),
    # ImageNet-1K in Lin et al. 2022; what differs stands in params/pipe_s_imagenet_resnet18.yaml
    paper=dict(
        data="imagenet",
        size=224,
        model="resnet18",
        steps=6,
        short=4,
        pretrain_epochs=100,
        epochs=10,
        scratch_epochs=(14, 27),
        batch_size=256,
        lr=(0.05, 0.1, 0.2),
        fine_tune_lr=(0.1,),
        optimiser="sgd",
        schedule="constant",
        drops=(2, 4, 6, 8),
        precision="bfloat16",
        loaders=12,
        seeds=1,
        workers=1,
    ),
)
