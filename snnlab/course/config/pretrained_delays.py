"""The parameters of notebook 06, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.learning_delays import OtherDelayNetworks
from snnlab.course.config.shared import SHD, count, learning_rate, profiles


@dataclass(frozen=True)
class PretrainedDelays(OtherDelayNetworks):
    """Notebook 06."""

    notebook = "06_pretrained_delays"
    own = OtherDelayNetworks.own | {"controls", "epochs"}

    controls: bool = parameter(True, "whether to train the controls of sections 6 and 7")
    sharpen: tuple[float, ...] = parameter(
        (0.0, 0.6, 1.0),
        "how far a ramp is sharpened: 0 not at all, 1 to a step; the last one is compared",
        low=0,
        high=1,
    )
    pretrain_epochs: int = count(8, "epochs of the ReLU network")
    epochs: int = count(
        4,
        "epochs of fine-tuning; training from scratch has those of pretraining, too",
    )
    fine_tune: tuple[float, ...] = learning_rate(
        (0.125, 0.25, 0.5),
        "learning rates of fine-tuning to choose from, as a share of those before it",
    )


PRETRAINED_DELAYS = profiles(
    PretrainedDelays(lr_weights=(0.02, 0.04, 0.08)),
    tiny=dict(
        limit=200,
        layers=1,
        sharpen=(0.0, 1.0),
        pretrain_epochs=1,
        epochs=1,
        lr_weights=(0.02,),
        fine_tune=(1.0,),  # the high rate of section 7; the low one has to differ
        seeds=1,
        workers=1,
    ),
    paper=dict(  # the network of Hammouamri et al. 2024 for SHD; how to pretrain it is ours
        SHD,
        neurons=256,
        pretrain_epochs=100,
        epochs=50,
        lr_weights=(2.5e-3, 5e-3, 1e-2),
        seeds=5,
    ),
)
