"""The exercises of notebook 07."""

from snnlab.course.exercises.judge import number_exercise

SD = 1.1240  # standard deviation of the three accuracies, points

number_exercise(
    "luckiest_epoch",
    1.125,
    praise="The highest of 50 standard normal numbers is 2.25 on average, and half of that is 1.1 "
    "points.",
    hints={2.25: "That many wobbles, well done; a wobble is half a point."},
    hint="Set the sliders to 50 epochs and a wobble of 0.5 points, and read the mean of the orange "
    "bars.",
    tolerance=0.112,
)

number_exercise(
    "three_seeds",
    4.303 * SD / 3**0.5,
    praise="Nearly 3 points to either side: three seeds cannot tell 94 from 95 %.",
    hints={
        1.96 * SD / 3**0.5: "1.96 is for many seeds; with three, t is 4.303.",
        4.303 * SD: "That is t * s. Divide by the square root of n.",
        4.303 * SD * 2**0.5 / 3: "Your standard deviation divides by n; with n - 1 it is 1.12.",
    },
    hint="h = t * s / sqrt(n), with s = 1.12 points and n = 3.",
    tolerance=0.02,
)
