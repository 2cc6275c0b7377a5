"""The parameters of notebook 04, and its three profiles."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Recordings, Training, sizes

# Dt_ms and n_in of `snnlab.data.datasets.gsc`'s
FEATURES = {"paper": (10.0, 140), "sane": (10.0, 40)}


@dataclass(frozen=True)
class LearningDelays(Training, Recordings):
    """Notebook 04."""

    notebook = "04_learning_delays"

    protocol: str = parameter(
        "who chooses the epoch: held-out data, or, as published for SHD, nobody, with all training recordings to train on",
        choices=("held-out", "published"),
    )
    limit: int = parameter(
        "training recordings to use, and a quarter for validation; 0 for all", low=0
    )
    dt_ms: float = parameter("length of a time step", unit="ms", low=1, high=1000)
    n_in: int = parameter("inputs: 700 channels in groups of 700 / n_in", low=1, high=700)
    hidden: tuple[int, ...] = parameter("neurons of each hidden layer", low=1, high=100_000)
    max_delay: int = parameter("largest delay", unit="steps", low=1, high=1000)
    tau_ms: tuple[float, ...] = parameter(
        "membrane time constants to choose from, by validation", unit="ms", low=1, high=100_000
    )
    kernel_count: int = parameter("weights with a delay of their own per synapse", low=1, high=100)
    epochs: int = parameter(
        "passes through the training data, more if it has fewer recordings than limit",
        low=1,
        high=100_000,
    )
    dropout: float = parameter("probability of silencing a neuron while training", low=0, high=0.99)
    lr_weights: float = parameter("highest learning rate of the weights", low=0, high=10)
    lr_delays: float = parameter(
        "first learning rate of the delays", unit="steps", low=0, high=1000
    )
    weight_decay: float = parameter("weight decay of the weights", low=0, high=10)
    anneal_share: float = parameter("share of the epochs in which sigma shrinks", low=0, high=1)
    toy_trials: int = parameter(
        "training trials of the toys in sections 1 and 7", low=100, high=1_000_000
    )
    toy_epochs: int = parameter("passes through those trials", low=1, high=100_000)
    connections: int = parameter(
        "inputs that each hidden neuron listens to; 0 for all", low=0, high=100_000
    )
    fan_in: int = parameter(
        "inputs of a hidden neuron in the sparse network of section 7", low=1, high=40
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol == "published" and self.features != "spikes":
            raise SnnlabError(
                "protocol = 'published': gsc has a validation set, which is used; expected held-out, which also says how well the last epoch and "
                "the best on the test set do."
            )
        if self.features != "spikes" and (self.dt_ms, self.n_in) != FEATURES[self.features]:
            dt_ms, n_in = FEATURES[self.features]
            raise SnnlabError(
                f"dt_ms = {self.dt_ms:g}, n_in = {self.n_in}: expected {dt_ms:g} and {n_in}, as "
                f"the features {self.features} have them."
            )
        if self.features == "spikes" and 700 % self.n_in:
            raise SnnlabError(
                f"n_in = {self.n_in}: expected a divisor of the 700 channels, such as 70 or 140."
            )
        for tau_ms in self.tau_ms:
            if tau_ms <= self.dt_ms:
                raise SnnlabError(
                    f"tau_ms = {tau_ms:g}: expected more than one time step (dt_ms = {self.dt_ms:g}), "
                    "or a neuron would forget before the next one; choose a longer tau_ms or a shorter dt_ms."
                )


LEARNING_DELAYS = sizes(
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
)


def delay_config(config: Recordings, **changes: Any) -> LearningDelays:
    """Make the configuration of notebook 04 for the networks of another notebook.

    Args:
        config: of the other notebook. Its parameters replace those of the same profile of notebook
            04, but for `config.own`, which mean something else there.
        changes: other parameters of notebook 04; None for the profile's value.

    Raises:
        SnnlabError: as `LearningDelays`.
    """
    shared = LearningDelays.__dataclass_fields__.keys() & vars(config).keys()
    values = {name: getattr(config, name) for name in shared - config.own}
    values |= {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(LEARNING_DELAYS[config.profile], **values)
