"""The exercises of notebook 04."""

import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab.course.exercises.judge import EXACT, function_exercise, number_exercise

_SPIKES = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])  # (T, N)


def _delayed(spikes: Tensor, steps: int) -> Tensor:
    return F.pad(spikes, (0, 0, steps, 0))[: len(spikes)]


def _earlier(spikes: Tensor, steps: int) -> Tensor:
    return F.pad(spikes, (0, 0, 0, steps))[steps:]


function_exercise(
    "delay_spikes",
    _delayed,
    [(_SPIKES, 1), (_SPIKES, 0), (_SPIKES, 2), (_SPIKES[:, :1], 3)],
    praise="A delay is a shift in time with zeros at the beginning.",
    hint="Row t of the result is row t - steps of the input, and zeros where there is none.",
    mistakes={
        "The last spikes come back at the beginning: a spike arrives before it was sent. Fill the "
        "first rows with zeros.": lambda spikes, steps: torch.roll(spikes, steps, 0),
        "Your spikes arrive earlier, not later. Which rows have to be zero, the first or the last "
        "ones?": _earlier,
        "The shift is along the fibres. Time is the first axis.": lambda spikes, steps: (
            _delayed(spikes.T, steps).T
        ),
        "The result has to be as long as the input: leave out the last rows.": (
            lambda spikes, steps: F.pad(spikes, (0, 0, steps, 0))
        ),
    },
)

number_exercise(
    "lag_ceiling",
    0.2,
    praise="No class shows coincidences any more, so all that is left is a guess among five.",
    hints={
        20: "As a share from 0 to 1, please.",
        0.4: "That was with lag 0 among them. Which of the five new classes can be seen within a "
        "single step?",
    },
    hint="Which classes differ within a single step? The others are a guess among themselves.",
)

number_exercise(
    "narrow_from_the_start",
    5,
    praise="The narrow kernel sees the neighbouring taps only, and the delay stays in a dip near "
    "its start.",
    hint="Run learn_delay(4.0, [0.5] * 100)[-1], and look at the dotted line in the figure of the "
    "slopes.",
    hints={
        16: "That is the right delay. Does downhill lead there from 4 steps, on the dotted line?",
        10: "It does not get that far. How many bumps of the dotted line lie between 4 and 10?",
    },
    tolerance=0.1,  # "about 5" is what rounds to 5, such as the 5.4 of the run
)

number_exercise(
    "largest_delay_ms",
    240,
    praise="25 taps are the delays 0 to 24; the paper's files call 25 the largest delay, but it "
    "is 24.",
    hints={
        250: "Nearly. Tap 0 is a delay, too: none at all.",
        24: "That is in steps. A step lasts 10 ms.",
    },
    hint="The first tap is delay 0. Which delay is the last of 25 taps? Times 10 ms.",
    tolerance=EXACT,
)

number_exercise(
    "shuffled_histogram",
    0,
    praise="The same delays, dealt to other synapses: a histogram cannot see that.",
    hints={
        1: "The mean adds up all delays. Does their order change a sum?",
        2: "A bar counts synapses with one delay, whichever they are. Does dealing change a count?",
    },
    hint="Take a pack of cards, write a delay on each, and shuffle. Which delays are in the pack "
    "now?",
    tolerance=EXACT,
)

number_exercise(
    "added_parameters",
    70 * 32,
    praise="As many as there are weights: learning delays doubles what there is to train.",
    hints={2 * 70 * 32: "That is weights and delays together. Only the delays were asked for."},
    hint="Each of the 32 neurons has a synapse from each of the 70 inputs, and each synapse has "
    "one delay.",
    tolerance=EXACT,
)
