"""The parameters of notebook 08, and its three profiles."""

from dataclasses import dataclass
from typing import get_args

from snnlab._utils.fields import parameter
from snnlab.course.config.learning_delays import OtherDelayNetworks
from snnlab.course.config.shared import SHD, count, profiles
from snnlab.nn.delay_net_config import Kind


@dataclass(frozen=True)
class DelaysOnChips(OtherDelayNetworks):
    """Notebook 08. Networks of other kinds of delays have as many trained numbers."""

    notebook = "08_delays_on_chips"

    delay_kinds: tuple[str, ...] = parameter(
        get_args(Kind),
        "kinds of delays to compare; sections 4 to 7 go on with the first one",
        choices=get_args(Kind),
    )
    epochs: int = count(10, "passes through the training data")
    kept_shares: tuple[float, ...] = parameter(
        (0.6, 0.3),
        "shares of the synapses that pruned networks keep",
        low=0.001,
        high=1,
    )
    delay_pulls: tuple[float, ...] = parameter(
        (0.05, 0.15),
        "how far each step of training pulls every delay towards 0",
        unit="steps",
        low=0,
        high=1,
    )
    weight_bits: tuple[int, ...] = parameter(
        (2, 3, 4), "bits of a weight in section 5", low=2, high=8
    )
    delay_bits: tuple[int, ...] = parameter(
        (1, 2, 3, 4), "bits of a delay in section 5", low=1, high=8
    )
    fine_tuning: int = count(3, "epochs of training on with few bits")


DELAYS_ON_CHIPS = profiles(
    DelaysOnChips(neurons=32),
    tiny=dict(
        limit=200,
        delay_kinds=("synaptic", "axonal"),
        neurons=16,
        layers=1,
        epochs=2,
        lr_weights=(0.02,),
        kept_shares=(0.6,),
        delay_pulls=(0.15,),
        weight_bits=(3, 6),
        delay_bits=(2, 4),
        fine_tuning=1,
        seeds=1,
        workers=1,
    ),
    paper=dict(  # the network of Hammouamri et al. 2024 for SHD; what is left out of it is ours
        SHD,
        neurons=256,
        epochs=150,
        lr_weights=(2.5e-3, 5e-3, 1e-2),
        kept_shares=(0.5, 0.2, 0.1, 0.05, 0.02),
        delay_pulls=(3e-4, 1e-3, 3e-3, 1e-2),
        weight_bits=(2, 3, 4, 6, 8),
        delay_bits=(2, 3, 4, 5),
        fine_tuning=20,
        seeds=5,
    ),
)
