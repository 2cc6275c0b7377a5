"""The exercises' checkers: right, or not yet and a hint, at once.

To add one, write a function that takes the answer and returns the hint it deserves, `""` if it is right:

    @exercise("name", "What a right answer teaches.")
    def _(answer):
        return "" if close(answer, 0.05) else "Where does the membrane stop rising?"
"""

import html
import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from snnlab.errors import SnnlabError

Checker = Callable[[Any], str]
YOUR_TURN = "Your turn: put your answer in and run the cell again."  # a checker returns it for an empty stub
_EXERCISES: dict[str, tuple[Checker, str]] = {}


@dataclass(frozen=True)
class Verdict:
    """`right` is None while there is no answer yet."""

    right: bool | None
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        colour = {None: "#737373", True: "#009e73", False: "#e69f00"}[self.right]  # the words say it too
        return (
            f'<p role="status" style="border-left: 6px solid {colour}; margin: 0; padding: 4px 12px">'
            f"{html.escape(self.text)}</p>"
        )


def exercise(name: str, praise: str) -> Callable[[Checker], Checker]:
    """Register a checker under `name`; `praise` follows "Right." and says what the answer means."""

    def register(checker: Checker) -> Checker:
        _EXERCISES[name] = checker, praise
        return checker

    return register


def check(name: str, answer: Any) -> Verdict:
    """Judge `answer`; on the last line of a cell the verdict is shown. Whatever the answer is, this does not raise.

    Raises:
        SnnlabError: there is no exercise called `name`.
    """
    if name not in _EXERCISES:
        near = get_close_matches(name, _EXERCISES, n=1)
        raise SnnlabError(
            f"There is no exercise {name!r}; " + (f"did you mean {near[0]!r}?" if near else "see checks.py.")
        )
    if answer is None:
        return Verdict(None, YOUR_TURN)
    checker, praise = _EXERCISES[name]
    try:
        hint = checker(answer)
    except Exception as error:  # noqa: BLE001 - a student's function may do anything
        return Verdict(False, f"Not yet. Your answer stopped with {type(error).__name__}: {error}")
    if hint == YOUR_TURN:
        return Verdict(None, hint)
    return Verdict(False, f"Not yet. {hint}") if hint else Verdict(True, f"Right. {praise}")


def close(answer: Any, expected: float, tolerance: float = 0.01) -> bool:
    """Is `answer`, a number or a one-element tensor, within `tolerance` (relative) of `expected`?"""
    return math.isclose(float(answer), expected, rel_tol=tolerance, abs_tol=1e-9)


# Notebook 01 --------------------------------------------------------------------------------------------------------


@exercise("weakest_input", "The membrane settles at X * tau, so anything above threshold / tau fires in the end.")
def _weakest_input(answer: Any) -> str:
    if close(answer, 0.05):
        return ""
    if close(answer, 1.0):
        return "At X = 1 it fires in the first step. A weaker input, held for longer, adds up."
    return "With X held constant, H stops rising where the leak eats all of X: H = (1 - 1/tau) * H + X. Solve for H."


@exercise(
    "tau_in_steps", "beta = 1 - 1/1.005 = 0.005: after one step 0.5 % is left. This neuron has no memory to speak of."
)
def _tau_in_steps(answer: Any) -> str:
    if close(answer, 1 - 1 / 1.005, 0.05):
        return ""
    if close(answer, 1.005, 0.001):
        return "That is tau in steps, well done. Now beta = 1 - 1/tau."
    if close(answer, 1 - 1 / 10.05):
        return "You put tau in ms into the formula. First divide by dt_ms."
    return "tau in steps is tau_ms / dt_ms; beta is 1 - 1/tau."


@exercise("subtract_reset", "What exceeded the threshold is kept, so a strong input is not forgotten with each spike.")
def _subtract_reset(answer: Any) -> str:
    if not callable(answer):
        return "The answer is a function; pass its name, without calling it."
    for v, x in ((0.0, 0.4), (0.8, 0.4), (0.5, 1.75), (0.4, 0.8)):
        result = answer(v, x)
        if result is None:
            return YOUR_TURN
        spike, after = (float(part) for part in result)
        h = 0.9 * v + x
        if spike != float(h >= 1.0):
            return f"From V = {v} with X = {x}, H is {h:.2f}, so the spike is {int(h >= 1.0)}; yours is {spike:g}."
        if not close(after, h - spike, 1e-6):
            return f"From V = {v} with X = {x}, H is {h:.2f}, so V becomes {h - spike:.2f}; yours is {after:.2f}."
    return ""


@exercise("largest_gap", "0.7 * 0.9^8 + 0.7 = 1.001 is enough, one step later it is not.")
def _largest_gap(answer: Any) -> str:
    if close(answer, 8):
        return ""
    if close(answer, 0.7 * 0.9**8 + 0.7):
        return "That is H; the question asks for the number of steps."
    if float(answer) > 8:
        return f"After {float(answer):g} steps the first spike has shrunk to {0.7 * 0.9 ** float(answer):.3f}. Is the sum 1?"
    return "A longer gap still works. When the second spike comes, the first has shrunk to 0.7 * 0.9^gap."


@exercise(
    "gradient_back", "2.5 * 0.9^3: a gradient leaks on its way back just as the membrane leaks on its way forward."
)
def _gradient_back(answer: Any) -> str:
    if close(answer, 2.5 * 0.9**3):
        return ""
    if close(answer, 0.9**3):
        return "That is how much of X[t-3] is left in H[t]. Multiply by the surrogate's slope at the threshold."
    if close(answer, 2.5):
        return "That is the gradient at X[t]. Three steps earlier, the leak has come in three times."
    return "Two factors: the surrogate's slope at the threshold (alpha / 2), and beta once for each step back."


# Notebook 02 --------------------------------------------------------------------------------------------------------


@exercise("weakest_current", "Below it the leak takes away, in every step, as much as comes in.")
def _weakest_current(answer: Any) -> str:
    if close(answer, 0.375):
        return ""
    if close(answer, 0.5):
        return "At 0.5 it fires in the first step. A weaker input, held for longer, adds up."
    if close(answer, 0.125):
        return "That is the threshold times what is kept. What is lost in a step has to come in again."
    return "Without a spike, u settles where u = d * u + I. Solve for the I at which u is the threshold."


@exercise("epochs_for_an_eighth", "Counting the fine-tuning alone, 80 epochs would do: always ask what was counted.")
def _epochs_for_an_eighth(answer: Any) -> str:
    if close(answer, 8 * (100 / 6 + 10)):
        return ""
    if close(answer, 80):
        return "That counts the fine-tuning alone. Pretraining costs 100 epochs of a sixth each."
    if close(answer, 8 * 110):
        return "An epoch at T = 1 costs a sixth of one at T = 6."
    return "Add up both stages in epochs of T = 6. An eighth of the unknown number is that sum."


@exercise("soft_reset_spikes", "The sum of the inputs, rounded: exactly what the quantised ReLU gives out.")
def _soft_reset_spikes(answer: Any) -> str:
    if close(answer, 2):
        return ""
    if close(answer, 0.4):
        return "That is spikes a step, well done. How many are that in 5 steps?"
    return "Begin at 0.5, add 0.4 in each step, and take 1 away whenever it is at least 1. Count how often."


# Notebook 03 --------------------------------------------------------------------------------------------------------


@exercise("flat_picture", "Events are about change. A flat picture has none, wherever it is moved.")
def _flat_picture(answer: Any) -> str:
    if close(answer, 0):
        return ""
    return "Inside the picture nothing changes when it is shifted, and its borders do not count. What is left?"


@exercise("on_off_weights", "Half of them are copies with the other sign, to begin with.")
def _on_off_weights(answer: Any) -> str:
    if close(answer, 144, 1e-6):
        return ""
    if close(answer, 72, 1e-6):
        return "That is the layer for grey pictures. Now each filter looks at two channels."
    return "Filters, times input channels, times the 3 x 3 places of a filter."


# Notebook 04 --------------------------------------------------------------------------------------------------------


@exercise("lag_ceiling", "No class shows coincidences any more, so all that is left is a guess among five.")
def _lag_ceiling(answer: Any) -> str:
    if close(answer, 0.2):
        return ""
    if close(answer, 20):
        return "As a share from 0 to 1, please."
    if close(answer, 0.4):
        return "That was with lag 0 among them. Which of the five new classes can be seen within a single step?"
    return "Which classes differ within a single step? The others are a guess among themselves."


@exercise(
    "largest_delay_ms", "25 taps are the delays 0 to 24; the paper's files call 25 the largest delay, but it is 24."
)
def _largest_delay_ms(answer: Any) -> str:
    if close(answer, 240):
        return ""
    if close(answer, 250):
        return "Nearly. Tap 0 is a delay, too: none at all."
    if close(answer, 24):
        return "That is in steps. A step lasts 10 ms."
    return "The first tap is delay 0. Which delay is the last of 25 taps? Times 10 ms."


@exercise("shuffled_histogram", "The same delays, dealt to other synapses: a histogram cannot see that.")
def _shuffled_histogram(answer: Any) -> str:
    if isinstance(answer, int) and answer == 0:
        return ""
    return "Take a pack of cards, write a delay on each, and shuffle. Which delays are in the pack now?"


@exercise("added_parameters", "As many as there are weights: learning delays doubles what there is to train.")
def _added_parameters(answer: Any) -> str:
    if close(answer, 70 * 32, 1e-6):
        return ""
    if close(answer, 2 * 70 * 32, 1e-6):
        return "That is weights and delays together. Only the delays were asked for."
    return "Each of the 32 neurons has a synapse from each of the 70 inputs, and each synapse has one delay."


# Notebook 05 --------------------------------------------------------------------------------------------------------


@exercise("meeting_ms", "A longer delay for what comes earlier: that is all a coincidence detector needs.")
def _meeting_ms(answer: Any) -> str:
    if close(answer, 20):
        return ""
    if close(answer, 180):
        return "Then it would arrive at 320 ms. A longer delay asks for an earlier spike."
    if close(answer, 160):
        return "That is when both arrive. When must the second one set out?"
    return "The first arrives at 100 + 60 ms. The second travels for 140 ms, and has to arrive then, too."


@exercise(
    "shifted_ms", "Only the differences between its delays say what it waits for; their sum says when it answers."
)
def _shifted_ms(answer: Any) -> str:
    if close(answer, 40):
        return ""
    if close(answer, 0):
        return "All spikes arrive together as before, but not at the same time as before."
    return "Every spike arrives 40 ms later than before. When do they meet now?"


@exercise("rounding_ms", "Half a step, either way. A finer step costs more computation and moves delays less.")
def _rounding_ms(answer: Any) -> str:
    if close(answer, 10):
        return ""
    if close(answer, 0.5):
        return "That is in steps. A step lasts 20 ms."
    if close(answer, 20):
        return "A delay goes to the *nearest* whole step, which is never a whole step away."
    return "Which delay is farthest from all whole numbers of steps? How far is it, in ms?"


# Notebook 06 --------------------------------------------------------------------------------------------------------


@exercise("ramp_output", "The narrower the ramp, the more of what lies near the threshold is pushed to 0 or 1.")
def _ramp_output(answer: Any) -> str:
    if close(answer, 0.75):
        return ""
    if close(answer, 0.55):
        return "That is the ramp of width 1. This one is five times as steep."
    if close(answer, 0.25):
        return "The right height, but counted from the threshold: there the ramp is half way up already."
    return "At the threshold the ramp is at 1/2, and it rises by 1 over its width. How far above the threshold is 1.05?"


@exercise(
    "fair_epochs", "What was paid for pretraining counts, in every stage of it, or the comparison is worth nothing."
)
def _fair_epochs(answer: Any) -> str:
    if close(answer, 24):
        return ""
    if close(answer, 12):
        return "That is one training. The ReLU network had to be trained with both rates to choose one of them."
    if close(answer, 4):
        return "That counts fine-tuning alone. The ReLU network learned for 8 epochs before."
    return "Add up all epochs that somebody had to wait for: two rates, each with both stages."


@exercise("delays_alone", "A delay is worth something together with the weight that was learned beside it.")
def _delays_alone(answer: Any) -> str:
    if isinstance(answer, int) and answer == 0:
        return ""
    return (
        "Every delay is right, and every weight is drawn anew. Which inputs then excite a neuron, and which inhibit it?"
    )


# Notebook 07 --------------------------------------------------------------------------------------------------------


@exercise(
    "luckiest_epoch", "The highest of 50 standard normal numbers is 2.25 on average, and half of that is 1.1 points."
)
def _luckiest_epoch(answer: Any) -> str:
    if 1.0 <= float(answer) <= 1.25:
        return ""
    if close(answer, 2.25, 0.06):
        return "That many wobbles, well done; a wobble is half a point."
    return "Set the sliders to 50 epochs and a wobble of 0.5 points, and read the mean of the orange bars."


@exercise("three_seeds", "Nearly 3 points to either side: three seeds cannot tell 94 from 95 %.")
def _three_seeds(answer: Any) -> str:
    sd = 1.1240
    if close(answer, 4.303 * sd / 3**0.5, 0.02):
        return ""
    if close(answer, 1.96 * sd / 3**0.5, 0.02):
        return "1.96 is for many seeds; with three, t is 4.303."
    if close(answer, 4.303 * sd, 0.02):
        return "That is t * s. Divide by the square root of n."
    if close(answer, 4.303 * sd * (2 / 3) ** 0.5 / 3**0.5, 0.02):
        return "Your standard deviation divides by n; with n - 1 it is 1.12."
    return "h = t * s / sqrt(n), with s = 1.12 points and n = 3."
