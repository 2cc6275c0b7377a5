"""The exercises of the notebooks, and `check`, which judges an answer at once.

Each notebook has a module here with its exercises. To add one, write into that module:

    number_exercise(
        "resting_level",
        0.05,
        praise="What a right answer teaches.",
        hint="Where does the membrane stop rising?",
        hints={1.0: "That is the threshold. How much comes in with each step?"},
    )

A number may be off by 1 %. For a count, or one of a few choices, add `tolerance=EXACT`.

For an exercise whose answer is a function that the student writes, give the right function, the
arguments of each call (simple ones first), and typical mistakes:

    function_exercise(
        "membrane",
        lambda v, x, tau: (1 - 1 / tau) * v + x,
        [(0.0, 0.5, 10.0), (0.5, 0.1, 10.0), (np.array([0.2, 0.4]), 0.0, 5.0)],
        praise="The leak takes the same share in each step.",
        hint="H[t] = beta * V[t-1] + X[t].",
        mistakes={"The input is not divided by tau.": lambda v, x, tau: (1 - 1/tau) * v + x / tau},
    )

Hints for an empty function, a wrong shape, changed arguments and for "returns None" come with it.
For anything else, decorate a function that takes the answer and returns a hint, "" for a right
answer, with `@exercise("name", "What a right answer teaches.")`.

In the notebook, a markdown cell that begins with `### Exercise n` is followed by

1. a code cell tagged `exercise`: a stub, and `course.check("name", answer)` as its last line;
2. a markdown cell tagged `solution`: the explanation, in `<details>`;
3. a code cell tagged `solution` and `hide-input`: the right answer, and the same check.

An open question has only the second of these. `make student` leaves out what is tagged `solution`.
"""

from snnlab.course.exercises import (  # noqa: F401  each registers its exercises
    delays_on_chips,
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
