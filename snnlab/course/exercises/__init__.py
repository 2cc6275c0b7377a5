"""The exercises of the notebooks, and `check`, which judges an answer at once.

Each notebook has a module here with its exercises. To add one, write into that module:

    number_exercise(
        "resting_level",
        0.05,
        praise="What a right answer teaches.",
        hint="Where does the membrane stop rising?",
    )

or decorate a function that takes the answer and returns a hint, "" for a right answer, with
`@exercise("name", "What a right answer teaches.")`.
"""

from snnlab.course.exercises import (  # noqa: F401  each registers its exercises
    exploring_delays,
    learning_delays,
    lif_dynamics,
    paper_results,
    pretrain_and_transfer,
    pretrained_delays,
    transfer_to_event_streams,
)
from snnlab.course.exercises.judge import Verdict, check

__all__ = ["Verdict", "check"]
