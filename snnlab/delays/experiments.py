"""Experiments with delays: stages that train a `DelayNet`, and the choice between their results."""

from bisect import bisect_left
from dataclasses import dataclass, replace

import torch

from snnlab._utils.fields import nearest_names
from snnlab.data.protocols import Data
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.network_config import NetworkConfig
from snnlab.nn.weight_transfer import TransferParts, copy_delay_weights
from snnlab.training.experiments import Experiment, ExperimentStage, StageStart


@nearest_names
@dataclass(frozen=True)
class DelayStage(DelayRecipe, ExperimentStage):
    """Training of one `DelayNet`, which `network` describes.

    The name of a stage is that of its files, so experiments that begin with the same stage share
    its checkpoint. After another stage, the network gets the `transfer_parts` of the network before
    it; see `copy_delay_weights`.

    Example:
        >>> network = DelayNetConfig(n_in=70, hidden=(16,), n_classes=20, max_delay=12, tau=2.0)
        >>> stage = DelayStage(name="first", network=network, epochs=5, batch_size=64)
        >>> stage.lr_delays, stage.build(stage.network).config.hidden
        (0.1, (16,))
    """

    transfer_parts: TransferParts = "both"

    def build(self, network: NetworkConfig) -> DelayNet:
        """Build a network; the seed decides its weights and delays."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net: DelayNet = network.build()
            return net

    def start(self, before: DelayNet | None, sets: Data) -> tuple[DelayNet, StageStart]:
        """Build the network, and copy weights, delays or both from the one before."""
        if self.network is None:
            assert before is not None
            return before, StageStart()
        net = self.build(self.network)
        if before is None:
            return net, StageStart()
        return net, StageStart(copy_delay_weights(before, net, transfer_parts=self.transfer_parts))

    def file_name(self, experiment: str, number: int) -> str:
        """Name the files of this stage, without a suffix."""
        return self.name


def delay_experiment(*stages: ExperimentStage) -> Experiment:
    """Name an experiment after its last stage."""
    return Experiment(stages[-1].name, stages)


def matched_hidden(network: DelayNetConfig, target: int) -> tuple[int, ...]:
    """Scale the hidden sizes alike, so that a network has about `target` trainable parameters."""
    widest = network.hidden[0]

    def sizes(width: int) -> tuple[int, ...]:
        return tuple(max(1, round(width * size / widest)) for size in network.hidden)

    def parameters(width: int) -> int:
        with torch.random.fork_rng(devices=[]):
            return replace(network, hidden=sizes(width)).build().trainable_parameters()

    widths = range(1, 4 * widest + 1)
    above = bisect_left(widths, target, key=parameters)  # the count grows with the width
    nearest = widths[max(0, above - 1) : above + 1]
    return sizes(min(nearest, key=lambda width: abs(parameters(width) - target)))
