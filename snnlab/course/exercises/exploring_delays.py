"""The exercises of notebook 05."""

from snnlab.course.exercises.judge import number_exercise

number_exercise(
    "meeting_ms",
    20,
    praise="A longer delay for what comes earlier: that is all a coincidence detector needs.",
    hints={
        180: "Then it would arrive at 320 ms. A longer delay asks for an earlier spike.",
        160: "That is when both arrive. When must the second one set out?",
    },
    hint="The first arrives at 100 + 60 ms. The second travels for 140 ms, and has to arrive "
    "then, too.",
)

number_exercise(
    "shifted_ms",
    40,
    praise="Only the differences between its delays say what it waits for; their sum says when "
    "it answers.",
    hints={0: "All spikes arrive together as before, but not at the same time as before."},
    hint="Every spike arrives 40 ms later than before. When do they meet now?",
)

number_exercise(
    "rounding_ms",
    10,
    praise="Half a step, either way. A finer step costs more computation and moves delays less.",
    hints={
        0.5: "That is in steps. A step lasts 20 ms.",
        20: "A delay goes to the *nearest* whole step, which is never a whole step away.",
    },
    hint="Which delay is farthest from all whole numbers of steps? How far is it, in ms?",
)
