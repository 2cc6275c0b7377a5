"""The exercises of notebook 08."""

from collections.abc import Callable
from functools import partial

from snnlab.course.exercises.judge import EXACT, function_exercise, number_exercise

function_exercise(
    "ring_slot",
    lambda step, delay, slots: (step + delay) % slots,
    [(0, 3, 13), (5, 0, 13), (10, 5, 13), (12, 12, 13), (40, 7, 9)],
    praise="The buffer is a ring, since the slot that was just read is free for the step that "
    "comes farthest away.",
    hint="Slot 0 is read in step 0, in step `slots`, and so on.",
    mistakes={
        "The slots are numbered from 0 to slots - 1. Beyond the last one the ring begins again.": (
            lambda step, delay, slots: step + delay
        ),
        "The current has to be read `delay` steps later, not earlier.": (
            lambda step, delay, slots: (step - delay) % slots
        ),
        "With slots - 1 the first and the last slot of the ring would be the same.": (
            lambda step, delay, slots: (step + delay) % (slots - 1)
        ),
    },
)

number_exercise(
    "stored_bits",
    4480,
    praise="A delay an input would take 280 bits.",
    hints={
        1120: "That is the number of synapses. How many bits does one of 13 delays take?",
        3360: "Three bits tell 8 delays apart; there are 13.",
        13440: "There are 13 delays, but to name one of them takes fewer bits than 13.",
        14560: "There are 13 delays, but to name one of them takes fewer bits than 13.",
        280: "That is a delay an input. Here each synapse has its own.",
    },
    hint="Count the synapses, and how many bits tell the delays 0 to 12 apart.",
    tolerance=EXACT,
)

number_exercise(
    "coarser",
    0,
    praise="Delays of 2 bits still have four values; weights of 2 bits have a sign at most.",
    hints={1: "Set the sliders to 8 and 2 bits, then to 2 bits and as many as there are."},
    hint="Give 0 or 1.",
    tolerance=EXACT,
)


def _nearest_level(
    delay: float, max_delay: int, bits: int, *, to_whole: Callable[[float], int] = round
) -> int:
    last = 2**bits - 1
    levels = [to_whole(number * max_delay / last) for number in range(last + 1)]
    return min(levels, key=lambda level: abs(level - delay))


function_exercise(
    "nearest_level",
    _nearest_level,
    [
        (2.9, 12, 2),
        (6.3, 12, 2),
        (11.8, 12, 2),
        (0.4, 12, 1),
        (9.0, 12, 1),
        (4.6, 12, 3),
        (10.9, 12, 3),
        (3.7, 15, 4),
        # the levels 0, 2, 3, 5, ... of 3 bits, not 0, 1, 3, 5, ... or 0, 2, 4, 6, ...
        (0.7, 12, 3),
        (2.6, 12, 3),
    ],
    praise="A grid with both of its ends in use: the longest delay stays.",
    hint="The levels are round(k * max_delay / (2**bits - 1)) for k = 0, 1, ..., 2**bits - 1.",
    mistakes={
        "That cuts off instead of rounding: nearly all delays get shorter. Simulators have had "
        "this fault.": (
            lambda delay, max_delay, bits: max(
                level
                for level in (round(k * max_delay / (2**bits - 1)) for k in range(2**bits))
                if level <= delay
            )
        ),
        "The levels are rounded: the second of 3 bits is 12/7 = 1.71, so it is 2 and not 1.": (
            partial(_nearest_level, to_whole=int)
        ),
        "That is the nearest whole step. With few bits most steps are no level.": (
            lambda delay, max_delay, bits: round(delay)
        ),
    },
)
