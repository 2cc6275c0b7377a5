"""The networks that notebook 04 compares: variants and controls, their searches and results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from snnlab.course.config import LearningDelays
from snnlab.course.tasks import delay_network, delay_stage
from snnlab.data.splits import DataSplits
from snnlab.delays.chip_cost import chip_cost
from snnlab.delays.experiments import DelayStage, delay_experiment, matched_hidden
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training.experiments import Experiment, ExperimentResult
from snnlab.transfer.comparison import RateSearch, search_lr

WIDE = "fixed, as many parameters"
FEW = "few inputs, "


@dataclass(frozen=True)
class Arm:
    """A network that is compared: its kind of delays, and what differs from the configuration.

    Attributes:
        delay_mode: "none", "fixed" or "learned".
        network: arguments of `DelayNetConfig`.
    """

    delay_mode: str
    network: Mapping[str, Any] = field(default_factory=dict)


class Arms(dict[str, Arm]):
    """By name, the networks that a run of notebook 04 trains: `config.variants` and the controls.

    There are controls if `config.controls` is true and `fixed` and `learned` are among the
    variants, as they are compared with both. The wider one is left out where it would be as wide
    as `fixed`, such as with delays of neurons, which are few.

    Args:
        config: the parameters.
        data: the recordings.

    Attributes:
        passes: through the training data; a set of less than `config.limit` recordings is passed
            through more often, so that every training takes about as many steps.
    """

    def __init__(self, config: LearningDelays, data: DataSplits[Any]) -> None:
        super().__init__({variant: Arm(variant) for variant in config.variants})
        self.config, self.data = config, data
        self.passes = round(config.epochs * min(5, max(1, config.limit / len(data.train))))
        if config.controls and {"fixed", "learned"} <= self.keys():
            wider = self.wider({})
            if wider["hidden"] != config.hidden:
                self[WIDE] = Arm("fixed", wider)
            if config.fan_in not in (0, config.connections):
                few = {"n_connections": config.fan_in}
                self[FEW + "fixed"], self[FEW + "learned"] = Arm("fixed", few), Arm("learned", few)

    def experiment(
        self, arm: str, tau_ms: float, rate: float, seed: int, delay_rate: float | None = None
    ) -> Experiment:
        """Describe the training of one network; the accuracies are those of its best epoch.

        Args:
            arm: its name.
            tau_ms: membrane time constant, ms.
            rate: learning rate of the weights.
            seed: of weights, delays, data order and dropout.
            delay_rate: learning rate of the delays; None for that of the configuration.
        """
        stage = delay_stage(
            self.config,
            self[arm].delay_mode,
            classes=len(self.data.classes),
            tau_ms=tau_ms,
            seed=seed,
            epochs=self.passes,
            lr_weights=rate,
            lr_delays=delay_rate,
            **self[arm].network,
        )
        return delay_experiment(stage)

    def wider(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """Scale the hidden layers of `fixed` until it has as many trained numbers as `learned`.

        Args:
            network: arguments of `DelayNetConfig` of both.

        Returns:
            The arguments of the wider network.
        """
        fixed, learned = (
            delay_network(self.config, mode, classes=len(self.data.classes), **network)
            for mode in ("fixed", "learned")
        )
        with torch.random.fork_rng(devices=[]):
            count = learned.build().trainable_parameters()
        return {**network, "hidden": matched_hidden(fixed, count)}

    def search_tau(self, folder: Path) -> dict[str, dict[float, float]]:
        """Train each network with every `config.tau_ms` and the first seed.

        Where the best one lies at an edge of the list, the next one is tried, too.

        Returns:
            By arm and time constant in ms, the validation accuracy.
        """
        config = self.config

        def recipe(arm: str) -> Callable[[float, int], Experiment]:
            return lambda tau, seed: self.experiment(arm, tau, config.lr_weights, seed)

        return search_lr(
            {arm: recipe(arm) for arm in self},
            config.tau_ms,
            [config.seed],
            self.data,
            folder,
            above=config.dt_ms,
            title="choosing tau",
            **self._pool,
        ).tried

    def search_rates(self, tau_ms: Mapping[str, float], folder: Path) -> RateSearch:
        """Choose the rates of each network, and train it with all seeds.

        Args:
            tau_ms: membrane time constant by arm, ms.
            folder: where checkpoints and metrics go.
        """
        config = self.config
        recipes = {arm: partial(self.experiment, arm, tau_ms[arm]) for arm in self}
        factors = config.lr_factors
        delay_rates = [config.lr_delays * factor for factor in factors]
        return search_lr(
            recipes,
            [config.lr_weights * factor for factor in factors],
            range(config.seed, config.seed + config.seeds),
            self.data,
            folder,
            second={arm: delay_rates for arm in self if self[arm].delay_mode == "learned"},
            title="choosing the rates, then all seeds",
            **self._pool,
        )

    def record(self, valid: Mapping[str, Mapping[float, float]], final: RateSearch) -> Any:
        """Return the arguments of `Run.save_result` for the results.

        Args:
            valid: by arm, validation accuracies by time constant, as from `search_tau`.
            final: as from `search_rates`.
        """
        of_variants = [arm for arm in self if arm in self.config.variants]
        return {
            "results": self._entries(of_variants, final),
            "data": self.data.source,
            "controls": self._entries([arm for arm in self if arm not in of_variants], final),
            "tau_search": [
                {"variant": arm, "valid_accuracy_by_tau_ms": valid[arm]} for arm in self
            ],
            "rate_search": [
                {"variant": arm, "valid_accuracy_by_rate": final.tried[arm]} for arm in self
            ],
        }

    @property
    def _pool(self) -> dict[str, Any]:
        return {"workers": self.config.workers, "processes": self.config.processes}

    def _entries(self, arms: Sequence[str], final: RateSearch) -> list[dict[str, Any]]:
        return [self._entry(arm, result) for arm in arms for result in final[arm]]

    def _entry(self, arm: str, result: ExperimentResult) -> dict[str, Any]:
        stage = cast(DelayStage, result.last.stage)
        network = cast(DelayNetConfig, stage.network)
        return {
            "variant": arm,
            "seed": result.experiment.seed,
            "test_accuracy": result.test_accuracy,
            **result.protocols(),
            "valid_accuracy": result.valid_accuracy,
            "tau_ms": cast(float, network.tau) * self.config.dt_ms,
            "lr_weights": stage.lr_weights,
            "hidden": list(network.hidden),
            "lr_delays": stage.lr_delays,
            "trainable_parameters": cast(DelayNet, result.net).trainable_parameters(),
            **chip_cost(result.net, self.data.test, device=self.config.device),
            "best_epoch": result.last.best_epoch,
            "seconds": result.last.seconds,
        }
