"""The exercises' checkers: right, or not yet and a hint, at once.

Each notebook has a module here with its exercises; `judge` has what they share. To add an exercise,
write a function into the notebook's module that takes the answer and returns the hint it deserves,
`""` if it is right:

    @exercise("name", "What a right answer teaches.")
    def _(answer: Any) -> str:
        return "" if close(answer, 0.05) else "Where does the membrane stop rising?"
"""

from snnlab.course.exercises import (  # noqa: F401  each adds its exercises to those that `check` knows
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
