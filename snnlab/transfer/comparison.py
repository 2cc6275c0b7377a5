"""Comparison of recipes: a learning-rate search for each, and accuracies at equal training time."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known, whole_number
from snnlab.nn.energy import cost
from snnlab.training.experiments import Experiment, ExperimentResult, Sets, run_experiments
from snnlab.transfer.stages import Stage

Comparison = Mapping[str, Sequence[ExperimentResult]]  # by name of the recipe, a result a seed


class RateSearch(dict[str, list[ExperimentResult]]):
    """Results of `search_lr`: by name of the recipe, a result a seed.

    Attributes:
        tried: by name, the validation accuracy of each learning rate, a mean over the seeds that
            it was tried with.
        chosen: by name, the learning rate of the results.
        tried_second, chosen_second: the same of the recipes that have a second rate.
    """

    def __init__(
        self,
        results: Mapping[str, list[ExperimentResult]],
        tried: Mapping[str, Mapping[float, float]],
        tried_second: Mapping[str, Mapping[float, float]],
    ) -> None:
        super().__init__(results)
        self.tried = {name: dict(sorted(by_rate.items())) for name, by_rate in tried.items()}
        self.chosen = {name: best_rate(by_rate) for name, by_rate in tried.items()}
        self.tried_second = {name: dict(sorted(by.items())) for name, by in tried_second.items()}
        self.chosen_second = {name: best_rate(by) for name, by in tried_second.items()}

    @property
    def at_edge(self) -> list[str]:
        """The recipes of which a best rate is still the lowest or the highest that was tried."""
        searched = [*self.tried.items(), *self.tried_second.items()]
        return list(dict.fromkeys(name for name, by_rate in searched if next_rate(by_rate)))

    def listing(self) -> str:
        """List which rates each recipe tried and chose, with validation accuracies."""
        lines = []
        for name, by_rate in self.tried.items():
            lines.append(f"{name:24s} {_choice(by_rate)}")
            if name in self.tried_second:
                lines.append(f"{'':24s} then {_choice(self.tried_second[name])}")
        return "\n".join(lines)


def _choice(by_rate: Mapping[float, float]) -> str:
    tried = ", ".join(f"{rate:g}: {accuracy:.1%}" for rate, accuracy in by_rate.items())
    return f"{best_rate(by_rate):g} of {tried}"


def search_lr(
    recipes: Mapping[str, Callable[..., Experiment]],
    rates: Sequence[float],
    seeds: Sequence[int],
    data: Sets,
    folder: Path,
    *,
    second: Mapping[str, Sequence[float]] = MappingProxyType({}),
    extensions: int = 3,
    above: float = 0.0,
    search_seeds: int = 1,
    **options: Any,
) -> RateSearch:
    """Choose a learning rate for each recipe on validation, and run the recipe with all seeds.

    Where the best rate of a recipe lies at an edge of its grid, the next rate beyond that edge is
    tried, too, and so on.

    Args:
        recipes: by name, a function that makes an experiment from a learning rate and a seed; the
            name of the experiment differs between rates and seeds. Without any, nothing is trained.
        rates: learning rates that every recipe tries with the first seeds; a single one is kept.
        seeds: seeds of the final runs.
        data: see `run_experiments`.
        folder: where checkpoints and metrics go.
        second: by name of a recipe, values of a second rate, such as that of the fine-tuning. The
            recipe gets it as a third argument. It is the middle one of these while the first rate
            is chosen, and is chosen after that in the same way.
        extensions: at most so many rates are added to a grid of a recipe.
        above: each of them is greater than this.
        search_seeds: with so many of the first seeds each rate is tried.
        **options: of `run_experiments`.

    Returns:
        By name, a result a seed; its attributes say which rates were tried and chosen.

    Raises:
        SnnlabError: no seed, no rate or one that is not above 0, a second rate for an unknown
            recipe, or a chosen rate at which another seed diverges.
    """
    if not (len(seeds) and all(_are_rates(values) for values in (rates, *second.values()))):
        raise SnnlabError(
            f"rates = {rates!r}, seeds = {seeds!r}, second = {dict(second)!r}: expected one seed "
            "and one rate above 0 at least; add them."
        )
    if not recipes:
        return RateSearch({}, {}, {})
    for name in second:
        known(name, recipes, "recipe with a second rate")
    search = seeds[: whole_number("search_seeds", search_seeds, 1)]
    both: dict[str, Sequence[Any]] = {name: second.get(name, (None,)) for name in recipes}
    plan = _Plan(recipes, rates, seeds, search, both, extensions, above)
    done = run_experiments(plan.first(), data, folder, then=plan.more, attempt=True, **options)
    tried, tried_second = plan.accuracies(done)
    by_run = dict(zip(plan.runs, done, strict=True))
    results = {}
    for name in recipes:
        runs = plan.final(name, tried, tried_second)
        results[name] = [by_run[run] for run in runs]
        for run, result in zip(runs, results[name], strict=True):
            if math.isnan(result.valid_accuracy):
                raise SnnlabError(
                    f"{name}: seed {run.seed} diverges at {run.rate:g}; give lower rates."
                )
    return RateSearch(
        results, tried, {name: by for name, by in tried_second.items() if name in second}
    )


def _are_rates(values: Sequence[float]) -> bool:
    return len(values) > 0 and all(is_number(value) and value > 0 for value in values)


class _Run(NamedTuple):
    name: str
    rate: float
    second: float | None  # None for a recipe without a second rate
    seed: int


ByRate = dict[str, dict[Any, float]]  # by name of the recipe and rate, validation accuracy


@dataclass
class _Plan:
    """Which runs of the recipes come next, given the accuracies so far."""

    recipes: Mapping[str, Callable[..., Experiment]]
    rates: Sequence[float]
    seeds: Sequence[int]
    search: Sequence[int]
    second: Mapping[str, Sequence[Any]]  # (None,) for a recipe without a second rate
    extensions: int
    above: float
    runs: list[_Run] = field(default_factory=list)

    def first(self) -> list[Experiment]:
        """Return the experiments to begin with: every recipe with every rate."""
        return self._add(
            [
                _Run(name, rate, self._middle(name), seed)
                for name in self.recipes
                for rate in self.rates
                for seed in self.search
            ]
        )

    def more(self, results: Sequence[ExperimentResult]) -> list[Experiment]:
        """Return the experiments that follow from the results of all so far."""
        tried, tried_second = self.accuracies(results)
        runs: list[_Run] = []
        for name, by_rate in tried.items():
            by_second, rate = tried_second[name], best_rate(by_rate)
            if further := self._further(by_rate, self.rates):
                next_ones = [(further, self._middle(name))]
            elif missing := [value for value in self.second[name] if value not in by_second]:
                next_ones = [(rate, value) for value in missing]
            elif further := self._further(by_second, self.second[name]):
                next_ones = [(rate, further)]
            else:
                next_ones = []
                runs += self.final(name, tried, tried_second)
            runs += [_Run(name, *rates, seed) for rates in next_ones for seed in self.search]
        return self._add(runs)

    def final(self, name: str, tried: ByRate, tried_second: ByRate) -> list[_Run]:
        """Return the runs of a recipe with its best rates, one a seed."""
        rate, second = best_rate(tried[name]), best_rate(tried_second[name])
        return [_Run(name, rate, second, seed) for seed in self.seeds]

    def accuracies(self, results: Sequence[ExperimentResult]) -> tuple[ByRate, ByRate]:
        """Return validation accuracies by rate, and by second rate at the best rate."""
        tried: ByRate = {name: {} for name in self.recipes}
        tried_second: ByRate = {name: {} for name in self.recipes}
        by_choice: dict[tuple[str, float, float | None], list[float]] = {}
        for run, result in zip(self.runs, results, strict=True):
            if run.seed in self.search:
                by_choice.setdefault(run[:3], []).append(result.valid_accuracy)
        for (name, rate, _), values in by_choice.items():
            tried[name].setdefault(rate, mean(values))  # with the middle second rate
        for (name, rate, second), values in by_choice.items():
            if rate == best_rate(tried[name]):
                tried_second[name][second] = mean(values)
        return tried, tried_second

    def _middle(self, name: str) -> Any:
        return sorted(self.second[name])[len(self.second[name]) // 2]

    def _further(self, by_rate: Mapping[Any, float], grid: Sequence[Any]) -> float | None:
        if len(by_rate) >= len(grid) + self.extensions:
            return None
        following = next_rate(by_rate)
        return None if following is None or following <= self.above else following

    def _add(self, runs: Sequence[_Run]) -> list[Experiment]:
        new = [run for run in runs if run not in self.runs]
        self.runs += new
        return [
            self.recipes[name](rate, seed, *(() if second is None else (second,)))
            for name, rate, second, seed in new
        ]


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
    """Format a table of the chosen rates, the test accuracies of all seeds, and both clocks.

    The rate of the fine-tuning stands behind that of the pretraining.
    """
    lines = [f"{'':22s}{'rates':>15s}{'test accuracy':>26s}{'CPU s':>8s}{'sample-timesteps':>19s}"]
    for name, outcomes in race.items():
        test = [outcome.test_accuracy for outcome in outcomes]
        spread = f"{mean(test):.1%} ({min(test):.1%} to {max(test):.1%})"
        seconds = mean(outcome.cpu_seconds for outcome in outcomes)
        stages = [cast(Stage, stage) for stage in outcomes[0].experiment.stages if stage.epochs]
        rates = ", ".join(f"{stage.lr:.2g}" for stage in stages[:: max(1, len(stages) - 1)])
        lines.append(
            f"{name:22s}{rates:>15s}{spread:>26s}{seconds:8.1f}{outcomes[0].sample_timesteps:19,d}"
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


def _summary(outcome: ExperimentResult, inputs: Sequence[Tensor]) -> dict[str, Any]:
    counted, last = cost(outcome.net, inputs), outcome.last
    return {
        "seed": outcome.experiment.seed,
        "test_accuracy": outcome.test_accuracy,
        "valid_accuracy": outcome.valid_accuracy,
        "cpu_seconds": outcome.cpu_seconds,
        "sample_timesteps": outcome.sample_timesteps,
        "pretrain_cpu_seconds": outcome.cpu_seconds - last.cpu_seconds,
        "lr": cast(Stage, outcome.experiment.stages[0]).lr,
        "last_lr": cast(Stage, last.stage).lr,
        "steps": cast(Stage, last.stage).steps,
        "multiply_accumulates": counted.multiply_accumulates,
        "accumulates": counted.accumulates,
        "spikes": counted.spikes,
        "neuron_picojoules": counted.neuron_picojoules,
        "picojoules": counted.picojoules,
    }
