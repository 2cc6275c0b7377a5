"""The parameters of notebook 01, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Config, count, profiles


@dataclass(frozen=True)
class LifDynamics(Config):
    """Notebook 01; its time step is 1 ms."""

    notebook = "01_lif_dynamics"

    tau_ms: float = parameter(
        20.0, "membrane time constant of sections 6 and 9", unit="ms", low=1.001, high=10_000
    )
    duration_ms: float = parameter(
        1000.0, "how long those neurons are watched", unit="ms", low=100, high=100_000
    )
    neurons: int = parameter(100, "neurons in section 9", low=1, high=10_000)
    seeds: int = parameter(5, "how many neurons section 12 trains, of each kind", low=1, high=1000)
    training_steps: int = count(200, "steps of the optimiser in section 12")


LIF_DYNAMICS = profiles(
    LifDynamics(),
    tiny=dict(duration_ms=200.0, neurons=20, seeds=2, training_steps=20),
    paper=dict(duration_ms=10_000.0, neurons=1000, seeds=20, training_steps=1000),
)
