"""Comparison of recipes: a learning-rate search for each, and accuracies at equal training time."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, cast

import numpy as np
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, whole_number
from snnlab.training.experiments import Experiment, ExperimentResult, Sets, run_experiments
from snnlab.transfer.energy import cost
from snnlab.transfer.stages import Stage

Comparison = Mapping[str, Sequence[ExperimentResult]]  # by name of the recipe, a result a seed


class RateSearch(dict[str, list[ExperimentResult]]):
    """Results of `search_lr`: by name of the recipe, a result a seed.

    Attributes:
        tried: by name, the validation accuracy of each learning rate, a mean over the seeds that
            it was tried with.
        chosen: by name, the learning rate of the results.
    """

    def __init__(
        self,
        results: Mapping[str, list[ExperimentResult]],
        tried: Mapping[str, Mapping[float, float]],
    ) -> None:
        super().__init__(results)
        self.tried = {name: dict(sorted(by_rate.items())) for name, by_rate in tried.items()}
        self.chosen = {name: best_rate(by_rate) for name, by_rate in tried.items()}

    @property
    def at_edge(self) -> list[str]:
        """The recipes whose best rate is still the lowest or the highest that was tried."""
        return [name for name, by_rate in self.tried.items() if next_rate(by_rate) is not None]


def search_lr(
    recipes: Mapping[str, Callable[[float, int], Experiment]],
    rates: Sequence[float],
    seeds: Sequence[int],
    data: Sets,
    folder: Path,
    *,
    extensions: int = 3,
    search_seeds: int = 1,
    **options: Any,
) -> RateSearch:
    """Choose a learning rate for each recipe on validation, and run the recipe with all seeds.

    Where the best rate of a recipe lies at an edge of its grid, the next rate beyond that edge is
    tried, too, and so on.

    Args:
        recipes: by name, a function that makes an experiment from a learning rate and a seed; the
            name of the experiment differs between rates and seeds.
        rates: learning rates that every recipe tries with the first seeds; a single one is kept.
        seeds: seeds of the final runs.
        data: see `run_experiments`.
        folder: where checkpoints and metrics go.
        extensions: at most so many rates are added to the grid of a recipe.
        search_seeds: with so many of the first seeds each rate is tried.
        **options: of `run_experiments`.

    Returns:
        By name, a result a seed; its attributes say which rates were tried and chosen.
    """
    if not (len(seeds) and len(rates) and all(is_number(r) and r > 0 for r in rates)):
        raise SnnlabError(
            f"rates = {rates!r}, seeds = {seeds!r}: expected one seed and one rate above 0 at "
            "least; add them."
        )
    search = seeds[: whole_number("search_seeds", search_seeds, 1)]
    planned = [(name, rate, seed) for name in recipes for rate in rates for seed in search]

    def accuracies(results: Sequence[ExperimentResult]) -> dict[str, dict[float, float]]:
        tried: dict[str, dict[float, list[float]]] = {name: {} for name in recipes}
        for (name, rate, seed), result in zip(planned, results, strict=True):
            if seed in search:
                tried[name].setdefault(rate, []).append(result.valid_accuracy)
        return {
            name: {rate: mean(values) for rate, values in by_rate.items()}
            for name, by_rate in tried.items()
        }

    def more(results: Sequence[ExperimentResult]) -> list[Experiment]:
        new = []
        for name, by_rate in accuracies(results).items():
            further = next_rate(by_rate) if len(by_rate) < len(rates) + extensions else None
            if further is not None:
                new += [(name, further, seed) for seed in search]
            else:
                new += [(name, best_rate(by_rate), seed) for seed in seeds]
        new = [run for run in new if run not in planned]
        planned.extend(new)
        return [recipes[name](rate, seed) for name, rate, seed in new]

    first = [recipes[name](rate, seed) for name, rate, seed in planned]
    done = run_experiments(first, data, folder, then=more, attempt=True, **options)
    tried, by_run = accuracies(done), dict(zip(planned, done, strict=True))
    chosen = {name: best_rate(by_rate) for name, by_rate in tried.items()}
    for (name, rate, seed), result in by_run.items():
        if rate == chosen[name] and math.isnan(result.valid_accuracy):
            raise SnnlabError(f"{name}: seed {seed} diverges at {rate:g}; give lower rates.")
    results = {name: [by_run[name, rate, seed] for seed in seeds] for name, rate in chosen.items()}
    return RateSearch(results, tried)


def best_rate(accuracies: Mapping[float, float]) -> float:
    """Return the rate with the highest accuracy; of equal ones that nearest to the grid's middle.

    Args:
        accuracies: validation accuracy by learning rate.
    """
    rates = sorted(accuracies)
    middle = (len(rates) - 1) / 2
    value = {r: -math.inf if math.isnan(a) else a for r, a in accuracies.items()}
    return max(rates, key=lambda rate: (value[rate], -abs(rates.index(rate) - middle)))


def next_rate(accuracies: Mapping[float, float]) -> float | None:
    """Return the rate beyond the edge at which the best one lies; None if it lies inside.

    The factor between the best rate and its neighbour is repeated. A grid of one rate has no next.

    Args:
        accuracies: validation accuracy by learning rate.
    """
    rates, best = sorted(accuracies), best_rate(accuracies)
    if len(rates) < 2 or best not in (rates[0], rates[-1]):
        return None
    neighbour = rates[1] if best == rates[0] else rates[-2]
    return float(f"{best * best / neighbour:.6g}")  # 0.08, not 0.08000000000000002


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
        "neuron_picojoules": counted.neuron_picojoules,
        "picojoules": counted.picojoules,
    }


def _first_stage(result: ExperimentResult) -> Stage:
    return cast(Stage, result.experiment.stages[0])
