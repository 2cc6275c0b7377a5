"""The parameters of notebook 08, and its three profiles."""

from dataclasses import dataclass
from typing import get_args

from snnlab._utils.fields import parameter
from snnlab.course.config.learning_delays import delay_config
from snnlab.course.config.shared import SHD, DelayTraining, count, learning_rate, profiles
from snnlab.nn.delay_net_config import Kind


@dataclass(frozen=True)
class DelaysOnChips(DelayTraining):
    """Notebook 08. All other settings are those of notebook 04's profile."""

    notebook = "08_delays_on_chips"
    own = frozenset({"lr_weights"})

    delay_kinds: tuple[str, ...] = parameter(
        get_args(Kind),
        "kinds of delays to compare; sections 4 to 7 go on with the first one",
        choices=get_args(Kind),
    )
    neurons: int = count(
        32,
        "neurons of a hidden layer with a delay a synapse; networks of other kinds get more, so "
        "that all have as many trained numbers",
    )
    layers: int = parameter(2, "hidden layers", low=1, high=20)
    epochs: int = count(10, "passes through the training data")
    lr_weights: tuple[float, ...] = learning_rate(
        (0.02, 0.04),
        "highest learning rates of the weights that every kind may choose from, by validation",
    )
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

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        delay_config(self)


DELAYS_ON_CHIPS = profiles(
    DelaysOnChips(),
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
