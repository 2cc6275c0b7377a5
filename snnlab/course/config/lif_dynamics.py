"""The parameters of notebook 01, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Config, sizes


@dataclass(frozen=True)
class LifDynamics(Config):
    """Notebook 01; its time step is 1 ms."""

    notebook = "01_lif_dynamics"

    tau_ms: float = parameter(
        "membrane time constant of sections 5 and 8", unit="ms", low=1.001, high=10_000
    )
    duration_ms: float = parameter(
        "how long those neurons are watched", unit="ms", low=100, high=100_000
    )
    neurons: int = parameter("neurons in section 8", low=1, high=10_000)
    seeds: int = parameter("how many neurons section 11 trains, of each kind", low=1, high=1000)
    training_steps: int = parameter("steps of the optimiser in section 11", low=1, high=100_000)
    live: bool = parameter("sliders in section 6; False leaves a picture", decides=False)


LIF_DYNAMICS = sizes(
    LifDynamics(
        profile="course",
        seed=0,
        out="",
        tau_ms=20.0,
        duration_ms=1000.0,
        neurons=100,
        seeds=5,
        training_steps=200,
        live=True,
    ),
    tiny=dict(duration_ms=200.0, neurons=20, seeds=2, training_steps=20, live=False),
    paper=dict(duration_ms=10_000.0, neurons=1000, seeds=20, training_steps=1000, live=False),
)
