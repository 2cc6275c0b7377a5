"""The experiments of notebook 06: delays that a ReLU network learned, and from scratch."""

from dataclasses import dataclass, replace
from typing import Any

from snnlab.course.config import LearningDelays, PretrainedDelays
from snnlab.course.tasks import delay_stage
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.weight_transfer import TransferParts, copy_delay_weights
from snnlab.training.experiments import Experiment


@dataclass(frozen=True)
class Recipes:
    """The experiments for a number of hidden layers, a learning rate and a seed.

    Attributes:
        config: configuration of notebook 06.
        learning: configuration of notebook 04, for all that the other one does not have.
        classes: of the recordings.
    """

    config: PretrainedDelays
    learning: LearningDelays
    classes: int

    @property
    def total_epochs(self) -> int:
        """Epochs of pretraining and fine-tuning."""
        return self.config.pretrain_epochs + self.config.epochs

    def scratch(self, layers: int, lr: float, seed: int) -> Experiment:
        """Train a spiking network for the epochs of both stages."""
        return delay_experiment(self._stage("scratch", layers, lr, seed, epochs=self.total_epochs))

    def sharpened(self, layers: int, lr: float, seed: int) -> Experiment:
        """Train a ReLU network for as long, whose ramps become steps; its `twin` is the result."""
        return self.relu(layers, lr, seed, sharpen=1.0, epochs=self.total_epochs)

    def relu(
        self, layers: int, lr: float, seed: int, *, sharpen: float, epochs: int = 0
    ) -> Experiment:
        """Train a ReLU network; 0 epochs stand for those of pretraining."""
        stage = self._stage(
            f"relu-{sharpen:g}",
            layers,
            lr,
            seed,
            neuron="relu",
            sharpen=sharpen,
            epochs=epochs or self.config.pretrain_epochs,
            keep="last",  # only the last epoch is as sharp as asked
        )
        return delay_experiment(stage)

    def pretrained(
        self,
        layers: int,
        lr: float,
        seed: int,
        *,
        sharpen: float | None = None,
        transfer_parts: TransferParts = "both",
        learn_delays: bool = False,
    ) -> Experiment:
        """Train a ReLU network, and fine-tune a spiking one with its weights and delays.

        Args:
            layers: hidden layers.
            lr: rate of pretraining; fine-tuning has `fine_tune` times its rates.
            seed: of both stages.
            sharpen: of the ReLU network; None for the last one of the configuration.
            transfer_parts: what is copied.
            learn_delays: whether fine-tuning changes the delays, or rounds and keeps them.
        """
        sharpen = self.config.sharpen[-1] if sharpen is None else sharpen
        stage = self._stage(
            f"takes-{transfer_parts}-{'learns' if learn_delays else 'holds'}-{sharpen:g}",
            layers,
            lr,
            seed,
            delay_mode="learned" if learn_delays else "fixed",
            epochs=self.config.epochs,
            lr_weights=lr * self.config.fine_tune,
            lr_delays=self.learning.lr_delays * self.config.fine_tune,
            anneal_share=0.0,  # the delays are nearly whole already
            transfer_parts=transfer_parts,
        )
        return delay_experiment(*self.relu(layers, lr, seed, sharpen=sharpen).stages, stage)

    def _stage(
        self,
        name: str,
        layers: int,
        lr: float,
        seed: int,
        *,
        epochs: int,
        delay_mode: str = "learned",
        neuron: str = "lif",
        **recipe: Any,
    ) -> DelayStage:
        stage = delay_stage(
            self.learning,
            delay_mode,
            classes=self.classes,
            tau_ms=self.learning.tau_ms[0],
            seed=seed,
            epochs=epochs,
            hidden=(self.config.neurons,) * layers,
            neuron=neuron,
        )
        name = f"{name}-layers{layers}-rate{lr:g}-epochs{epochs}-seed{seed}"
        return replace(stage, name=name, **{"lr_weights": lr, **recipe})


def twin(net: DelayNet) -> DelayNet:
    """Copy all parameters of a ReLU network to a spiking one, in evaluation mode."""
    spiking: DelayNet = replace(net.config, neuron="lif").build()
    copy_delay_weights(net, spiking)
    return spiking.eval()
