"""The exercises of notebook 07."""

import numpy as np

from snnlab.course.exercises.judge import EXACT, function_exercise, number_exercise

number_exercise(
    "best_of_150",
    1.32,
    praise="Three times as many epochs add only 0.2 points: the highest of n normal numbers grows "
    "more slowly than the logarithm of n. It never stops growing.",
    hints={
        3.4: "Three times the choice is not three times the luck. Run the cell with 150 epochs.",
        1.1: "That is the best of 50. The best of 150 cannot be lower. Is it higher?",
        2.6: "That many wobbles, well done; a wobble is half a point.",
    },
    hint="Set the slider to 150 epochs, and read the mean of the orange bars.",
    tolerance=0.06,
)

_random = np.random.default_rng(7)

function_exercise(
    "chosen_on_validation",
    lambda valid, test: test[np.arange(len(test)), valid.argmax(1)],
    [
        (np.array([[90.0, 92.0, 91.0]]), np.array([[93.0, 90.0, 95.0]])),
        (
            np.array([[90.0, 92.0, 91.0], [94.0, 92.0, 91.0]]),
            np.array([[93.0, 90.0, 95.0], [91.0, 96.0, 92.0]]),
        ),
        (94 + _random.normal(size=(20, 30)), 94 + _random.normal(size=(20, 30))),
    ],
    praise="With the wobble of section 2 these accuracies are right on average: the epoch that was "
    "lucky on the validation set has no reason to be lucky on the test set.",
    hint="For each training, find the epoch with the highest validation accuracy "
    "(`valid.argmax(1)`), and return the test accuracy of that epoch.",
    mistakes={
        "You choose the epoch on the test set. That is what has to be avoided.": (
            lambda valid, test: test.max(1)
        ),
        "These are the highest validation accuracies. They are lucky themselves; report the test "
        "accuracy of that epoch.": lambda valid, test: valid.max(1),
        "`test[:, epochs]` takes all of these epochs of every training. Pair each training with "
        "its own epoch: `test[np.arange(len(test)), epochs]`.": (
            lambda valid, test: test[:, valid.argmax(1)]
        ),
        "You choose one epoch for all trainings. Each training has its own best epoch.": (
            lambda valid, test: test[:, valid.mean(0).argmax()]
        ),
    },
)

number_exercise(
    "seeds_needed",
    22,
    praise="Half the interval shrinks with the square root of the number of seeds, so precision is "
    "expensive. Ten seeds give 0.8 points.",
    hints={
        20: "Nearly: 1.96 in place of t. With 20 seeds t is 2.09.",
        3: "That gives 2.8 points.",
        93: "You kept the t of three seeds. It falls with the number of seeds.",
    },
    hint="Let n grow from 3 until t(0.975, n - 1) * 1.12 / sqrt(n) is at most 0.5.",
    tolerance=EXACT,
)
