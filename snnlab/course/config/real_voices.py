"""The parameters of the page "04 on real voices", and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import parameter
from snnlab.course.config.shared import DelayNetParameters, count, profiles


@dataclass(frozen=True)
class RealVoices(DelayNetParameters):
    """The page "04 on real voices": learned delays, tested on speakers that no training heard."""

    notebook = "04_real_voices"
    notebook_folder = "notebooks/real"

    data: str = parameter(
        "speech-commands-test",
        "the data set speech-commands-test, or a folder laid out as it",
    )
    test_folds: tuple[int, ...] = parameter(
        (0, 1, 2, 3, 4),
        "folds of speakers to test on, one after the other; everything is chosen on the first",
        low=0,
        high=100,
    )
    n_in: int = parameter(140, "inputs: 700 channels in groups of 700 / n_in", low=1, high=700)
    epochs: int = count(14, "passes through the training data")
    fan_in: int = parameter(
        8, "inputs of a hidden neuron in the networks with few connections", low=1, high=700
    )

    def __post_init__(self) -> None:
        """Check the fields, and that they go together."""
        super().__post_init__()
        if self.n_in % 2 or 700 % self.n_in:
            raise SnnlabError(
                f"n_in = {self.n_in}: expected a divisor of the 700 channels whose half is one, "
                "too, such as 70 or 140: section 6 also trains with half as many inputs."
            )
        if self.dt_ms < 2:
            raise SnnlabError(
                f"dt_ms = {self.dt_ms:g}: expected 2 ms or more: section 6 also trains with half "
                "of it."
            )
        if len(self.test_folds) < 2:
            raise SnnlabError(
                f"test_folds = {self.test_folds}: expected two or more: one fold has no spread."
            )


REAL_VOICES = profiles(
    RealVoices(hidden=(64, 64), tau_ms=(21.0, 35.0, 70.0)),
    tiny=dict(
        test_folds=(0, 1),
        seeds=1,
        hidden=(8,),
        tau_ms=(35.0,),
        lr_factors=(1.0,),
        epochs=2,
        workers=1,
    ),
    paper=dict(  # the network of Hammouamri et al. 2024 for SSC, on the clips at hand
        dt_ms=10.0,
        hidden=(512, 512),
        max_delay=30,
        tau_ms=(15.0,),
        lr_weights=5e-3,
        lr_factors=(1.0,),
        lr_delays=0.1,
        anneal_share=0.25,
        epochs=60,
        batch_size=128,
        workers=1,
    ),
)
