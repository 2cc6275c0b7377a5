"""The exercises of notebook 02."""

from functools import partial

import torch

from snnlab.course.exercises.judge import function_exercise, number_exercise

number_exercise(
    "weakest_current",
    0.375,
    praise="At 0.375 the membrane comes ever closer to the threshold and never gets there (on "
    "paper; floating-point numbers round up to the threshold after a dozen steps), so the input "
    "must be greater.",
    hints={
        0.5: "At 0.5 it fires in the first step. A weaker input, held for longer, adds up.",
        0.125: "That is the threshold times what is kept. What is lost in a step has to come in "
        "again.",
    },
    hint="Without a spike, V settles where V = beta * V + X. Solve for the X at which V is the "
    "threshold.",
)

number_exercise(
    "epochs_for_an_eighth",
    8 * (100 / 6 + 10),
    praise="Counting the fine-tuning alone, 80 epochs would do: always ask what was counted.",
    hints={
        80: "That counts the fine-tuning alone. Pretraining costs 100 epochs of a sixth each.",
        8 * 110: "An epoch at T = 1 costs a sixth of one at T = 6.",
    },
    hint="Add up both stages in epochs of T = 6. An eighth of the unknown number is that sum.",
)


def _soft_rate(
    current: torch.Tensor,
    steps: int,
    *,
    start: float = 0.5,
    beta: float = 1.0,
    threshold: float = 1.0,
    hard: bool = False,
    above: bool = False,
) -> torch.Tensor:
    """Return spikes a step of the neuron with soft reset, or of one with a typical mistake."""
    v, spikes = torch.full_like(current, start), torch.zeros_like(current)
    for _ in range(steps):
        h = beta * v + current
        s = ((h > threshold) if above else (h >= threshold)).float()
        v = h * (1 - s) if hard else h - threshold * s
        spikes += s
    return spikes / steps


function_exercise(
    "soft_reset_rate",
    _soft_rate,
    [
        (torch.tensor([0.4]), 5),
        (torch.tensor([-0.5, 0.0, 0.3, 0.7, 1.0, 1.6]), 1),
        (torch.tensor([-0.5, 0.0, 0.1, 0.26, 0.61, 0.87, 1.3]), 4),
        (torch.linspace(-0.3, 1.4, 40), 12),
        (torch.tensor([0.5, 0.25]), 2),  # H is exactly 1, after one step and after two
    ],
    praise="For constant input it is the clipped ReLU, rounded to one of T levels: nothing is "
    "lost.",
    hint="Begin at V = 0.5, add the current in each step, and take 1 away whenever H is at least "
    "1. Divide the number of spikes by the steps.",
    mistakes={
        "Your membrane starts at 0, so the rate is rounded down. Start at half the "
        "threshold.": partial(_soft_rate, start=0.0),
        "Your spike resets the membrane to 0, so what was above the threshold is lost. Subtract "
        "the threshold.": partial(_soft_rate, hard=True),
        "Your membrane still leaks: 0.25 of it stays. This neuron keeps all of it.": partial(
            _soft_rate, beta=0.25
        ),
        "Your neuron fires above 0.5. Its threshold is 1.": partial(_soft_rate, threshold=0.5),
        "Your neuron fires only if H is above 1. It fires at H = 1, too.": partial(
            _soft_rate, above=True
        ),
        "That is the number of spikes. Divide it by the steps.": (
            lambda current, steps: steps * _soft_rate(current, steps)
        ),
    },
)
