"""The exercises of notebook 06."""

from snnlab.course.exercises.judge import EXACT, function_exercise, number_exercise

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


def _moves(name: str, part: str) -> bool:
    of_delays = name.endswith((".P", ".SIG"))
    return of_delays if part == "delays" else not of_delays


function_exercise(
    "what_moves",
    _moves,
    [
        (name, part)
        for name in (
            "synapses.0.weight",
            "synapses.0.P",
            "synapses.2.SIG",
            "norms.0.weight",
            "norms.1.running_var",
            "norms.1.num_batches_tracked",
        )
        for part in ("weights", "delays")
    ],
    praise="Each tensor moves with one of the two parts, so both together move everything.",
    hint="A tensor moves either with the weights or with the delays.",
    mistakes={
        "Does the width of a kernel (SIG) belong to a weight, or to its delay?": (
            lambda name, part: name.endswith(".P") == (part == "delays")
        ),
        "Batch norm scales what the weights add up, with statistics that were measured with these "
        "weights. It moves with them.": (
            lambda name, part: _moves(name, part) and not name.startswith("norms")
        ),
        "That is right for the weights. For the delays, each answer is the opposite.": (
            lambda name, part: _moves(name, "weights")
        ),
    },
)

number_exercise(
    "fair_epochs",
    36,
    praise="What was paid for pretraining and for the choice of a rate counts, or the comparison "
    "is worth nothing.",
    hints={
        12: "That is one training. You trained with three rates to choose one of them.",
        4: "That counts fine-tuning alone. The ReLU network learned for 8 epochs before.",
        24: "That counts pretraining alone, with three rates. Fine-tuning counts, too.",
    },
    hint="Add up all epochs that you had to wait for: three rates, each with both stages.",
    tolerance=EXACT,
)

number_exercise(
    "delays_alone",
    0,
    praise="A delay is worth something together with the weight that was learned beside it.",
    hints={
        1: "Both bring weights, too. With which weights does this network add up what arrives?",
        2: "Half way would mean that delays count by themselves. What do random weights do with "
        "spikes that arrive at the right time?",
    },
    hint="Every delay is right, and every weight is drawn anew. Which inputs then excite a "
    "neuron, and which inhibit it?",
    tolerance=EXACT,
)
