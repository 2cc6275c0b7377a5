"""The parameters of notebook 04, and its three profiles."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self, get_args

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import (
    SHD,
    DelayNetParameters,
    DelayTraining,
    Recordings,
    count,
    learning_rate,
    profiles,
)
from snnlab.nn.delay_net_config import DelayMode, DelayNetConfig, Kind

# dt_ms and n_in of the features in snnlab.data.datasets.gsc, whose import takes long
FEATURES = {"paper": (10.0, 140), "sane": (10.0, 40)}


@dataclass(frozen=True)
class LearningDelays(DelayTraining, DelayNetParameters):
    """Notebook 04."""

    notebook = "04_learning_delays"

    protocol: str = parameter(
        "held-out",
        "how the epoch is chosen: on held-out data, or, as published for SHD, the last one, "
        "trained "
        "on all training recordings",
        choices=("held-out", "published"),
    )
    variants: tuple[str, ...] = parameter(
        get_args(DelayMode),
        "kinds of delays to train, each a variant of the network; a single one is compared with "
        "nothing, so one network is trained, unless seeds, tau_ms or lr_factors are given",
        choices=get_args(DelayMode),
        repeats=True,
    )
    controls: bool = parameter(
        True, "whether to train the controls of section 7, beside both fixed and learned"
    )
    toys: bool = parameter(True, "whether to train networks for the two ears of section 1")
    fold: int = parameter(
        0, "fold of the speakers to test on, where there are folds", low=0, high=100_000
    )
    folds: int = parameter(
        0,
        "folds of the speakers, as many as speakers to leave each out once; 0 for the set's own "
        "split",
        low=0,
        high=100_000,
    )
    delay_kind: str = parameter(
        "synaptic",
        "which synapses share a delay: none, those of an input channel, those of a neuron, or both",
        choices=get_args(Kind),
    )
    kernel_count: int = parameter(
        1, "weights with a delay of their own per synapse", low=1, high=100
    )
    epochs: int = count(
        12,
        "passes through the training data, more if it has fewer recordings than limit",
    )
    toy_trials: int = parameter(
        2000,
        "training trials of the two ears in section 1",
        low=100,
        high=1_000_000,
        needs={"toys": (True,)},
    )
    toy_epochs: int = count(15, "passes through those trials", needs={"toys": (True,)})
    connections: int = parameter(
        0, "inputs that each hidden neuron listens to; 0 for all", low=0, high=100_000
    )
    fan_in: int = parameter(
        4,
        "inputs of a hidden neuron in the sparse networks of section 7; 0 for no such networks",
        low=0,
        high=700,
        needs={"controls": (True,)},
    )

    compile: bool = parameter(
        False,
        "whether training steps on recordings go through torch.compile, which is for GPUs",
    )

    def changed(self, **given: Any) -> Self:
        """Return this configuration with other values; for a single variant, of one network."""
        config = super().changed(**given)
        if len(config.variants) > 1:
            return config
        one = {"seeds": 1, "tau_ms": config.tau_ms[:1], "lr_factors": (1.0,)}
        return super().changed(**one | given)

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if self.compile and self.processes > 1:
            raise SnnlabError(
                f"compile = True, processes = {self.processes}: batch norm waits for the other "
                "processes in the middle of a graph; leave one of them out."
            )
        order = type(self).variants  # in whatever order they are given, it is the same run
        object.__setattr__(self, "variants", tuple(v for v in order if v in self.variants))
        entry, where = self.find_recordings()
        for name in ("fold", "folds"):
            if getattr(self, name) and name not in entry.settings:
                raise SnnlabError(
                    f"data = {self.data!r}, {name} = {getattr(self, name)}: {entry.name} does not "
                    f"come in folds; expected {name} = 0, or other data, such as "
                    "speech-commands-test."
                )
        if self.protocol == "published" and self.features != "spikes":
            raise SnnlabError(
                "protocol = 'published': gsc has a validation set, which is used; expected "
                "held-out, "
                "which also reports the accuracies of the last epoch and of the best epoch on the "
                "test set."
            )
        if self.features != "spikes" and (self.dt_ms, self.n_in) != FEATURES[self.features]:
            dt_ms, n_in = FEATURES[self.features]
            raise SnnlabError(
                f"dt_ms = {self.dt_ms:g}, n_in = {self.n_in}: expected {dt_ms:g} and {n_in}, as "
                f"the features {self.features} have them."
            )
        channels = entry.channels(where) if self.features == "spikes" else None
        if channels and channels % self.n_in:
            divisors = [n for n in range(1, channels + 1) if channels % n == 0]
            near = min(divisors, key=lambda n: abs(n - self.n_in))
            raise SnnlabError(
                f"n_in = {self.n_in}: expected a divisor of the {channels} channels of "
                f"{self.data}, such as {f'{near} or ' * (near != channels)}{channels}."
            )


LEARNING_DELAYS = profiles(
    LearningDelays(),
    tiny=dict(
        limit=200,
        seeds=1,
        hidden=(16,),
        workers=1,
        tau_ms=(20.1, 40.0),
        lr_factors=(1.0,),
        epochs=2,
        toy_trials=200,
        toy_epochs=2,
    ),
    paper=dict(
        SHD,
        seeds=10,
        hidden=(256, 256),
        max_delay=DelayNetConfig.max_delay,
        tau_ms=(10.05,),
        lr_factors=(1.0,),
        epochs=150,
        dropout=DelayNetConfig.dropout,
        lr_weights=5e-3,
        lr_delays=0.1,
        anneal_share=0.25,
        toy_trials=4000,
        toy_epochs=40,
        fan_in=0,  # a sweep has sparse networks of its own
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


@dataclass(frozen=True)
class OtherDelayNetworks(DelayTraining):
    """The parameters of notebooks whose other settings are those of notebook 04's profile."""

    own = frozenset({"lr_weights"})

    neurons: int = count(
        16,
        "neurons of a hidden layer with a delay a synapse; networks of other kinds get more, so "
        "that all have as many trained numbers",
    )
    layers: int = parameter(2, "hidden layers of the networks", low=1, high=20)
    lr_weights: tuple[float, ...] = learning_rate(
        (0.02, 0.04),
        "highest learning rates of the weights that each network may choose from, by validation",
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        delay_config(self)

    @property
    def hidden(self) -> tuple[int, ...]:
        """The sizes of the hidden layers."""
        return (self.neurons,) * self.layers
