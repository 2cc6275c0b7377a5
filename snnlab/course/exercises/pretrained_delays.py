"""The exercises of notebook 06."""

from snnlab.course.exercises.judge import number_exercise

number_exercise(
    "ramp_output",
    0.75,
    praise="The narrower the ramp, the more of what lies near the threshold is pushed to 0 or 1.",
    hints={
        0.55: "That is the ramp of width 1. This one is five times as steep.",
        0.25: "The right height, but counted from the threshold: there the ramp is half way up "
        "already.",
    },
    hint="At the threshold the ramp is at 1/2, and it rises by 1 over its width. How far above "
    "the threshold is 1.05?",
)

number_exercise(
    "fair_epochs",
    24,
    praise="What was paid for pretraining counts, in every stage of it, or the comparison is "
    "worth nothing.",
    hints={
        12: "That is one training. The ReLU network had to be trained with both rates to choose "
        "one of them.",
        4: "That counts fine-tuning alone. The ReLU network learned for 8 epochs before.",
    },
    hint="Add up all epochs that somebody had to wait for: two rates, each with both stages.",
)

number_exercise(
    "delays_alone",
    0,
    praise="A delay is worth something together with the weight that was learned beside it.",
    hint="Every delay is right, and every weight is drawn anew. Which inputs then excite a "
    "neuron, and which inhibit it?",
)
