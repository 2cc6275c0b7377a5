"""The exercises of notebook 03."""

from snnlab.course.exercises.judge import number_exercise

number_exercise(
    "flat_picture",
    0,
    praise="Events are about change. A flat picture has none, wherever it is moved.",
    hint="Inside the picture nothing changes when it is shifted, and its borders do not count. "
    "What is left?",
)

number_exercise(
    "on_off_weights",
    144,
    praise="Half of them are copies with the other sign, to begin with.",
    hints={72: "That is the layer for grey pictures. Now each filter looks at two channels."},
    hint="Filters, times input channels, times the 3 x 3 places of a filter.",
    tolerance=1e-6,
)
