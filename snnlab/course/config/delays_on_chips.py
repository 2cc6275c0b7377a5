"""The parameters of notebook 08, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.learning_delays import delay_config
from snnlab.course.config.shared import DelayTraining, profiles


@dataclass(frozen=True)
class DelaysOnChips(DelayTraining):
    """Notebook 08. All other settings are those of notebook 04's profile."""

    notebook = "08_delays_on_chips"
    own = frozenset({"lr_weights"})

    delay_kinds: tuple[str, ...] = parameter(
        ("synaptic", "axonal", "dendritic", "axo-dendritic"),
        "kinds of delays to compare; sections 4 to 7 go on with the first one",
        choices=("synaptic", "axonal", "dendritic", "axo-dendritic"),
    )
    neurons: int = parameter(
        32,
        "neurons of a hidden layer with a delay a synapse; networks of other kinds get more, so "
        "that all have as many trained numbers",
        low=1,
        high=100_000,
    )
    layers: int = parameter(2, "hidden layers", low=1, high=20)
    epochs: int = parameter(10, "passes through the training data", low=1, high=100_000)
    lr_weights: tuple[float, ...] = parameter(
        (0.02, 0.04),
        "highest learning rates of the weights that every kind may choose from, by validation",
        low=1e-6,
        high=10,
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
    fine_tuning: int = parameter(3, "epochs of training on with few bits", low=1, high=100_000)

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
        data="shd",
        limit=0,
        dt_ms=10.0,
        n_in=140,
        neurons=256,
        epochs=150,
        lr_weights=(2.5e-3, 5e-3, 1e-2),
        kept_shares=(0.5, 0.2, 0.1, 0.05, 0.02),
        delay_pulls=(3e-4, 1e-3, 3e-3, 1e-2),
        weight_bits=(2, 3, 4, 6, 8),
        delay_bits=(2, 3, 4, 5),
        fine_tuning=20,
        seeds=5,
        batch_size=256,
        workers=1,
    ),
)
