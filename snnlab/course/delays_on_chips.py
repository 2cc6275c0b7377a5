"""The experiments of notebook 08: kinds of delays, pruned networks, and networks of few bits."""

from dataclasses import dataclass, replace
from typing import cast

from snnlab.course.config import DelaysOnChips, LearningDelays
from snnlab.course.tasks import delay_network, delay_stage
from snnlab.delays.experiments import DelayStage, delay_experiment, matched_hidden
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training.experiments import Experiment

# Rates of fine-tuning, as a share of those before it: a delay that moves on its coarse grid jumps
WEIGHT_SHARE, DELAY_SHARE = 0.25, 0.05


@dataclass(frozen=True)
class ChipRecipes:
    """The experiments for a learning rate and a seed.

    Attributes:
        config: configuration of notebook 08.
        learning: configuration of notebook 04, for all that the other one does not have.
        classes: of the recordings.
    """

    config: DelaysOnChips
    learning: LearningDelays
    classes: int

    def network(self, kind: str) -> DelayNetConfig:
        """Describe a network with as many trained numbers as one with a delay a synapse."""
        synaptic, described = (
            delay_network(
                self.learning,
                "learned",
                classes=self.classes,
                delay_kind=each,
                hidden=self.config.hidden,
            )
            for each in ("synaptic", kind)
        )
        hidden = matched_hidden(described, synaptic.build().trainable_parameters())
        return replace(described, hidden=hidden)

    def trained(
        self, kind: str, lr: float, seed: int, *, kept_share: float = 1.0, delay_pull: float = 0.0
    ) -> Experiment:
        """Train a network from scratch.

        Args:
            kind: of its delays.
            lr: highest learning rate of the weights.
            seed: of weights, delays, data order and dropout.
            kept_share: share of the synapses that are left in the end.
            delay_pull: see `DelayRecipe`.
        """
        pruned = f"-kept{kept_share:g}" if kept_share < 1 else ""
        pulled = f"-pull{delay_pull:g}" if delay_pull else ""
        stage = delay_stage(
            self.learning,
            "learned",
            classes=self.classes,
            seed=seed,
            epochs=self.config.epochs,
            lr_weights=lr,
        )
        return delay_experiment(
            replace(
                stage,
                name=f"{kind}{pruned}{pulled}-rate{lr:g}-seed{seed}",
                network=self.network(kind),
                kept_share=kept_share,
                delay_pull=delay_pull,
                test_each_epoch=False,
            )
        )

    def fine_tuned(self, full: Experiment, weight_bits: int, delay_bits: int) -> Experiment:
        """Train on with few bits and whole delays.

        Args:
            full: the training of the full network, from `trained`.
            weight_bits: bits of a weight.
            delay_bits: bits of a delay.
        """
        first = cast(DelayStage, full.stages[0])
        network = cast(DelayNetConfig, first.network)
        stage = replace(
            first,
            name=f"{first.name}-bits{weight_bits}-{delay_bits}",
            network=replace(network, weight_bits=weight_bits, delay_bits=delay_bits),
            epochs=self.config.fine_tuning,
            lr_weights=WEIGHT_SHARE * first.lr_weights,
            lr_delays=DELAY_SHARE * first.lr_delays,
            anneal_share=0.0,
            whole_share=1.0,
            delay_pull=0.0,
        )
        return delay_experiment(first, stage)
