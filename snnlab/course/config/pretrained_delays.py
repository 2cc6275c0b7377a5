"""The parameters of notebook 06, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.learning_delays import delay_config
from snnlab.course.config.shared import Recordings, Training, sizes


@dataclass(frozen=True)
class PretrainedDelays(Training, Recordings):
    """Notebook 06. What it does not say about networks and their training is as in the same profile of notebook 04."""

    notebook = "06_pretrained_delays"
    own = frozenset({"epochs", "lr_weights"})

    limit: int = parameter(
        "training recordings to use, and a quarter for validation; 0 for all", low=0
    )
    dt_ms: float = parameter("length of a time step", unit="ms", low=1, high=1000)
    n_in: int = parameter("inputs: 700 channels in groups of 700 / n_in", low=1, high=700)
    neurons: int = parameter("neurons of a hidden layer", low=1, high=100_000)
    layers: tuple[int, ...] = parameter(
        "hidden layers of the networks that are compared", low=1, high=20
    )
    sharpen: tuple[float, ...] = parameter(
        "how far a ramp is sharpened: 0 not at all, 1 to a step; the last one in the race",
        low=0,
        high=1,
    )
    pretrain_epochs: int = parameter("epochs of the ReLU network", low=1, high=100_000)
    epochs: int = parameter(
        "epochs of fine-tuning; training from scratch has those of pretraining, too",
        low=1,
        high=100_000,
    )
    lr_weights: tuple[float, ...] = parameter(
        "highest learning rates of the weights that every recipe may choose from, by validation",
        low=0,
        high=10,
    )
    fine_tune: float = parameter(
        "the rates of fine-tuning, as a share of those before it", low=0, high=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        delay_config(self)


PRETRAINED_DELAYS = sizes(
    PretrainedDelays(
        profile="course",
        seed=0,
        out="",
        data="spoken-digits",
        features="spikes",
        binning="regular",
        limit=2000,
        dt_ms=20.0,
        n_in=70,
        neurons=16,
        layers=(2, 4),
        sharpen=(0.0, 0.6, 1.0),
        pretrain_epochs=8,
        epochs=4,
        lr_weights=(2e-2, 4e-2),
        fine_tune=0.25,
        seeds=3,
        batch_size=64,
        accumulate=1,
        workers=0,
        processes=1,
        device="auto",
        live=True,
    ),
    tiny=dict(
        limit=200,
        layers=(1,),
        sharpen=(0.0, 1.0),
        pretrain_epochs=1,
        epochs=1,
        lr_weights=(2e-2,),
        seeds=1,
        workers=1,
        live=False,
    ),
    paper=dict(  # the network of Hammouamri et al. 2024 for SHD; how to pretrain it is ours
        data="shd",
        limit=0,
        dt_ms=10.0,
        n_in=140,
        neurons=256,
        layers=(2, 4),
        pretrain_epochs=100,
        epochs=50,
        lr_weights=(5e-3, 1e-2),
        seeds=5,
        batch_size=256,
        workers=1,
        live=False,
    ),
)
