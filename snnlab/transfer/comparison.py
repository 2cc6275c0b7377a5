"""Comparison of recipes: a learning-rate search for each, and accuracies at equal training time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, cast

import numpy as np
from torch import Tensor

from snnlab.training.experiments import Experiment, ExperimentResult, Sets, run_experiments
from snnlab.transfer.energy import cost
from snnlab.transfer.stages import Stage

Comparison = Mapping[str, Sequence[ExperimentResult]]  # by name of the recipe, a result a seed


def search_lr(
    recipes: Mapping[str, Callable[[float, int], Experiment]],
    rates: Sequence[float],
    seeds: Sequence[int],
    data: Sets,
    folder: Path,
    **options: Any,
) -> dict[str, list[ExperimentResult]]:
    """Choose a learning rate for each recipe on validation, and run the recipe with all seeds.

    Args:
        recipes: by name, a function that makes an experiment from a learning rate and a seed.
        rates: learning rates to try, with the first seed.
        seeds: seeds of the final runs.
        data: see `run_experiments`.
        folder: where checkpoints and metrics go.
        **options: of `run_experiments`.

    Returns:
        By name, a result a seed.
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
    """Compute the mean test accuracy of a recipe, and that of another training of equal time.

    Args:
        race: results by name.
        recipe: the recipe whose time counts.
        against: names of the other training in several lengths. The accuracy is interpolated
            between two lengths, linearly in the logarithm of time, and constant beyond them.
        clock: "cpu_seconds" or "sample_timesteps".

    Returns:
        The accuracy of the recipe, and that of the other training.
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
    """Format a table of the chosen rates, the test accuracies of all seeds, and both clocks."""
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
    """Return the name in `against` whose training time is nearest to that of `recipe`."""
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
    """Make the entries of `result.json`, one a network.

    Args:
        race: results by name; the name and the suffix become an entry's `variant`.
        recipes: by name, the kind of recipe, such as "pipe-S" or "scratch".
        inputs: a few samples `(T, B, ...)` to count operations and spikes with.
        suffix: distinguishes two comparisons.

    Returns:
        One entry for each recipe and seed.
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
