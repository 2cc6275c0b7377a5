"""Recipes side by side: a learning rate for each, the same clock for all, and what they reach at equal time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, cast

import numpy as np
from torch import Tensor

from snnlab.training.experiments import Experiment, ExperimentResult, Sets, run_experiments
from snnlab.transfer.energy import cost
from snnlab.transfer.stages import Stage

Comparison = Mapping[str, Sequence[ExperimentResult]]  # by name of the recipe, an outcome a seed


def search_lr(
    recipes: Mapping[str, Callable[[float, int], Experiment]],
    rates: Sequence[float],
    seeds: Sequence[int],
    data: Sets,
    folder: Path,
    **options: Any,
) -> dict[str, list[ExperimentResult]]:
    """Every recipe with every rate and the first seed; then with the rate that is best on validation and all seeds.

    Args:
        recipes: by name, what makes a plan from a learning rate and a seed.
        rates: learning rates; as many trials for every recipe.
        seeds: the first one is that of the trials.
        data, folder, options: as `run_experiments`.

    Returns:
        By name, an outcome a seed.
    """
    trials = [make(rate, seeds[0]) for make in recipes.values() for rate in rates]

    def best(tried: list[ExperimentResult]) -> list[ExperimentResult]:
        groups = [tried[start : start + len(rates)] for start in range(0, len(trials), len(rates))]
        return [max(group, key=lambda outcome: outcome.valid_accuracy) for group in groups]

    def others(tried: list[ExperimentResult]) -> list[Experiment]:
        chosen = [_first_stage(outcome).lr for outcome in best(tried)]
        return [
            make(rate, seed)
            for make, rate in zip(recipes.values(), chosen, strict=True)
            for seed in seeds[1:]
        ]

    done = run_experiments(trials, data, folder, then=others, **options)
    rest = iter(done[len(trials) :])
    return {
        name: [first, *(next(rest) for _ in seeds[1:])]
        for name, first in zip(recipes, best(done), strict=True)
    }


def at_equal_time(
    race: Comparison, recipe: str, *, against: Sequence[str], clock: str = "cpu_seconds"
) -> tuple[float, float]:
    """The mean test accuracy of a recipe, and that of others in the time that it took.

    Args:
        race: outcomes by name.
        recipe: the one that says when.
        against: names of the same training in several lengths; between two lengths the accuracy is
            taken as linear in the logarithm of time, and beyond the shortest and the longest as
            constant.
        clock: "cpu_seconds" or "sample_timesteps".
    """
    when = mean(getattr(outcome, clock) for outcome in race[recipe])
    lengths = sorted(
        (mean(getattr(o, clock) for o in race[name]), mean(o.test_accuracy for o in race[name]))
        for name in against
    )
    times, accuracies = zip(*lengths, strict=True)
    reached = np.interp(np.log(when), np.log(times), accuracies)
    return mean(outcome.test_accuracy for outcome in race[recipe]), float(reached)


def as_text(race: Comparison) -> str:
    """A table: the rate that was chosen, test accuracy over the seeds, and both clocks."""
    lines = [f"{'':26s}{'rate':>7s}{'test accuracy':>26s}{'CPU s':>8s}{'sample-timesteps':>19s}"]
    for name, outcomes in race.items():
        test = [outcome.test_accuracy for outcome in outcomes]
        spread = f"{mean(test):.1%} ({min(test):.1%} to {max(test):.1%})"
        rate, seconds = (
            _first_stage(outcomes[0]).lr,
            mean(outcome.cpu_seconds for outcome in outcomes),
        )
        lines.append(
            f"{name:26s}{rate:7.2g}{spread:>26s}{seconds:8.1f}{outcomes[0].sample_timesteps:19,d}"
        )
    return "\n".join(lines)


def nearest_in_time(race: Comparison, recipe: str, *, against: Sequence[str]) -> str:
    """Which of the names in `against` trained for about as long as `recipe`, in CPU seconds."""
    log = {
        name: np.log(mean(outcome.cpu_seconds for outcome in race[name]))
        for name in (recipe, *against)
    }
    return min(against, key=lambda name: float(abs(log[name] - log[recipe])))


def summaries(
    race: Comparison,
    recipes: Mapping[str, str],
    inputs: Sequence[Tensor],
    *,
    suffix: str = "",
) -> list[dict[str, Any]]:
    """The entries of `result.json`, one a network.

    Args:
        race: outcomes by name; with `suffix`, the name becomes an entry's `variant`.
        recipes: by name, which recipe it is, such as "pipe-S" or "scratch".
        inputs: a few samples `(T, B, ...)` to count operations and spikes with.
        suffix: what tells two races apart.
    """
    return [
        {"recipe": recipes[name], "variant": name + suffix, **_summary(outcome, inputs)}
        for name, outcomes in race.items()
        for outcome in outcomes
    ]


def _summary(outcome: ExperimentResult, inputs: Iterable[Tensor]) -> dict[str, Any]:
    counted, last = cost(outcome.net, inputs), outcome.last
    return {
        "seed": outcome.experiment.seed,
        "test_accuracy": outcome.test_accuracy,
        "valid_accuracy": outcome.valid_accuracy,
        "cpu_seconds": outcome.cpu_seconds,
        "sample_timesteps": outcome.sample_timesteps,
        "pretrain_cpu_seconds": outcome.cpu_seconds - last.cpu_seconds,
        "lr": _first_stage(outcome).lr,
        "steps": cast(Stage, last.stage).steps,
        "multiply_accumulates": counted.multiply_accumulates,
        "accumulates": counted.accumulates,
        "spikes": counted.spikes,
        "picojoules": counted.picojoules,
    }


def _first_stage(result: ExperimentResult) -> Stage:
    return cast(Stage, result.experiment.stages[0])
