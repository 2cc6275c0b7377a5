"""The exercises of notebook 02."""

from snnlab.course.exercises.judge import number_exercise

number_exercise(
    "weakest_current",
    0.375,
    praise="Below it the leak takes away, in every step, as much as comes in.",
    hints={
        0.5: "At 0.5 it fires in the first step. A weaker input, held for longer, adds up.",
        0.125: "That is the threshold times what is kept. What is lost in a step has to come in "
        "again.",
    },
    hint="Without a spike, u settles where u = d * u + I. Solve for the I at which u is the "
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

number_exercise(
    "soft_reset_spikes",
    2,
    praise="The sum of the inputs, rounded: exactly what the quantised ReLU gives out.",
    hints={0.4: "That is spikes a step, well done. How many are that in 5 steps?"},
    hint="Begin at 0.5, add 0.4 in each step, and take 1 away whenever it is at least 1. Count "
    "how often.",
)
