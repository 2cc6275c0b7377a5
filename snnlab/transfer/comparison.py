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
ByRate = Mapping[float, float]  # validation accuracy by learning rate


class RateSearch(dict[str, list[ExperimentResult]]):
    """Results of `search_lr`: by name of the recipe, a result a seed.

    Args:
        results: the results.
        searched: by name, the accuracies by rate: of the first rate, and of the second if it has
            one.

    Attributes:
        tried: by name, the validation accuracy of each learning rate, a mean over the seeds that
            it was tried with.
        chosen: by name, the learning rate of the results.
        tried_second, chosen_second: the same of the recipes that have a second rate.
    """

    def __init__(
        self,
        results: Mapping[str, list[ExperimentResult]],
        searched: Mapping[str, Sequence[ByRate]],
    ) -> None:
        super().__init__(results)
        self.tried, self.tried_second = (
            {name: dict(sorted(by[n].items())) for name, by in searched.items() if n < len(by)}
            for n in (0, 1)
        )
        self.chosen, self.chosen_second = (
            {name: best_rate(by_rate) for name, by_rate in tried.items()}
            for tried in (self.tried, self.tried_second)
        )

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


def _choice(by_rate: ByRate) -> str:
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
        return RateSearch({}, {})
    for name in second:
        known(name, recipes, "recipe with a second rate")
    search = seeds[: whole_number("search_seeds", search_seeds, 1)]
    grids = {name: [rates, second[name]] if name in second else [rates] for name in recipes}
    plan = _Plan(recipes, grids, seeds, search, extensions, above)
    done = run_experiments(plan.more([]), data, folder, then=plan.more, attempt=True, **options)
    by_run = dict(zip(plan.runs, done, strict=True))
    results, searched = {}, {}
    for name in recipes:
        searched[name], (chosen,), _ = plan.step(name, done)
        results[name] = [by_run[_Run(name, chosen, seed)] for seed in seeds]
        for seed, result in zip(seeds, results[name], strict=True):
            if math.isnan(result.valid_accuracy):
                raise SnnlabError(
                    f"{name}: seed {seed} diverges at {chosen[0]:g}; give lower rates."
                )
    return RateSearch(results, searched)


def _are_rates(values: Sequence[float]) -> bool:
    return len(values) > 0 and all(is_number(value) and value > 0 for value in values)


class _Run(NamedTuple):
    name: str
    rates: tuple[float, ...]  # the learning rate, and the second rate of a recipe that has one
    seed: int


@dataclass
class _Plan:
    """Which runs of the recipes come next, given the accuracies so far."""

    recipes: Mapping[str, Callable[..., Experiment]]
    grids: Mapping[str, Sequence[Sequence[float]]]  # by name, values of each of its rates
    seeds: Sequence[int]
    search: Sequence[int]
    extensions: int
    above: float
    runs: list[_Run] = field(default_factory=list)

    def more(self, results: Sequence[ExperimentResult]) -> list[Experiment]:
        """Return the experiments that follow from the results of all so far."""
        runs: list[_Run] = []
        for name in self.recipes:
            _, following, seeds = self.step(name, results)
            runs += [_Run(name, rates, seed) for rates in following for seed in seeds]
        new = [run for run in runs if run not in self.runs]
        self.runs += new
        return [self.recipes[name](rates[0], seed, *rates[1:]) for name, rates, seed in new]

    def step(
        self, name: str, results: Sequence[ExperimentResult]
    ) -> tuple[list[ByRate], list[tuple[float, ...]], Sequence[int]]:
        """Return what a recipe tried, and what it runs next.

        A rate is chosen once the one before it is. Until then it is the middle one of its grid.

        Args:
            name: of the recipe.
            results: of all runs so far.

        Returns:
            For each of its rates the accuracies so far, the rates of the next runs, and their
            seeds. When all rates are chosen, they are those of the next runs.
        """
        by_rates: dict[tuple[float, ...], list[float]] = {}
        for run, result in zip(self.runs, results, strict=True):
            if run.name == name and run.seed in self.search:
                by_rates.setdefault(run.rates, []).append(result.valid_accuracy)
        rates = tuple(sorted(grid)[len(grid) // 2] for grid in self.grids[name])
        tried: list[ByRate] = []
        for n, grid in enumerate(self.grids[name]):
            by_rate = {
                given[n]: mean(values)
                for given, values in by_rates.items()
                if _replaced(given, n, rates[n]) == rates
            }
            tried.append(by_rate)
            following = [rate for rate in grid if rate not in by_rate]
            if not following and len(by_rate) < len(grid) + self.extensions:
                further = next_rate(by_rate)
                following = [] if further is None or further <= self.above else [further]
            if following:
                return tried, [_replaced(rates, n, rate) for rate in following], self.search
            rates = _replaced(rates, n, best_rate(by_rate))
        return tried, [rates], self.seeds


def _replaced(rates: tuple[float, ...], n: int, rate: float) -> tuple[float, ...]:
    return (*rates[:n], rate, *rates[n + 1 :])


def best_rate(accuracies: ByRate) -> float:
    """Return the rate with the highest accuracy; of equal ones that nearest to the grid's middle.

    Args:
        accuracies: validation accuracy by learning rate.
    """
    rates = sorted(accuracies)
    middle = (len(rates) - 1) / 2
    value = {r: -math.inf if math.isnan(a) else a for r, a in accuracies.items()}
    return max(rates, key=lambda rate: (value[rate], -abs(rates.index(rate) - middle)))


def next_rate(accuracies: ByRate) -> float | None:
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
    (when, own), *lengths = (
        (_mean(race[name], clock), _mean(race[name], "test_accuracy"))
        for name in (recipe, *against)
    )
    times, accuracies = zip(*sorted(lengths), strict=True)
    return own, float(np.interp(np.log(when), np.log(times), accuracies))


def as_text(race: Comparison) -> str:
    """Format a table of the chosen rates, the test accuracies of all seeds, and both clocks.

    The rate of the fine-tuning stands behind that of the pretraining.
    """
    lines = [f"{'':22s}{'rates':>15s}{'test accuracy':>26s}{'CPU s':>8s}{'sample-timesteps':>19s}"]
    for name, outcomes in race.items():
        test = [outcome.test_accuracy for outcome in outcomes]
        spread = f"{mean(test):.1%} ({min(test):.1%} to {max(test):.1%})"
        seconds = _mean(outcomes, "cpu_seconds")
        stages = [cast(Stage, stage) for stage in outcomes[0].experiment.stages if stage.epochs]
        rates = ", ".join(f"{stage.lr:.2g}" for stage in stages[:: max(1, len(stages) - 1)])
        lines.append(
            f"{name:22s}{rates:>15s}{spread:>26s}{seconds:8.1f}{outcomes[0].sample_timesteps:19,d}"
        )
    return "\n".join(lines)


def nearest_in_time(race: Comparison, recipe: str, *, against: Sequence[str]) -> str:
    """Return the name in `against` whose training time is nearest to that of `recipe`."""
    log = {name: np.log(_mean(race[name], "cpu_seconds")) for name in (recipe, *against)}
    return min(against, key=lambda name: float(abs(log[name] - log[recipe])))


def _mean(outcomes: Sequence[ExperimentResult], measure: str) -> float:
    measured: float = mean(getattr(outcome, measure) for outcome in outcomes)
    return measured


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
