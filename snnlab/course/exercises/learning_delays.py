"""The exercises of notebook 04."""

from snnlab.course.exercises.judge import number_exercise

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
    "largest_delay_ms",
    240,
    praise="25 taps are the delays 0 to 24; the paper's files call 25 the largest delay, but it "
    "is 24.",
    hints={
        250: "Nearly. Tap 0 is a delay, too: none at all.",
        24: "That is in steps. A step lasts 10 ms.",
    },
    hint="The first tap is delay 0. Which delay is the last of 25 taps? Times 10 ms.",
)

number_exercise(
    "shuffled_histogram",
    0,
    praise="The same delays, dealt to other synapses: a histogram cannot see that.",
    hint="Take a pack of cards, write a delay on each, and shuffle. Which delays are in the pack "
    "now?",
)

number_exercise(
    "added_parameters",
    70 * 32,
    praise="As many as there are weights: learning delays doubles what there is to train.",
    hints={2 * 70 * 32: "That is weights and delays together. Only the delays were asked for."},
    hint="Each of the 32 neurons has a synapse from each of the 70 inputs, and each synapse has "
    "one delay.",
    tolerance=1e-6,
)
