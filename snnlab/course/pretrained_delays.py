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
    """The experiments for a learning rate and a seed.

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

    def scratch(self, lr: float, seed: int) -> Experiment:
        """Train a spiking network for the epochs of both stages."""
        return delay_experiment(self._stage("scratch", lr, seed, epochs=self.total_epochs))

    def relu(self, lr: float, seed: int, *, sharpen: float, epochs: int = 0) -> Experiment:
        """Train a ReLU network; 0 epochs stand for those of pretraining."""
        stage = self._stage(
            f"relu-{sharpen:g}",
            lr,
            seed,
            neuron="relu",
            sharpen=sharpen,
            epochs=epochs or self.config.pretrain_epochs,
            keep="last",  # only the last epoch is as sharp as asked
        )
        return delay_experiment(stage)

    def sharpened(self, lr: float, seed: int) -> Experiment:
        """Train a ReLU network for the epochs of both stages, until its ramps are steps.

        The result is its `twin`.
        """
        return self.relu(lr, seed, sharpen=1.0, epochs=self.total_epochs)

    def fresh(self, lr: float, seed: int) -> Experiment:
        """Train a spiking network for the epochs of fine-tuning alone, with random, fixed delays.

        The control of `fine_tuned`: nothing is copied.
        """
        stage = self._stage("fresh", lr, seed, epochs=self.config.epochs, delay_mode="fixed")
        return delay_experiment(stage)

    def fine_tuned(
        self,
        relu: Experiment,
        share: float,
        *,
        transfer_parts: TransferParts = "both",
        learn_delays: bool = False,
        spikes: bool = True,
        anneal: bool = False,
    ) -> Experiment:
        """Continue a ReLU network as a spiking one, with its weights and delays.

        Args:
            relu: its training, from `relu`; the seed is that of both stages.
            share: the learning rates of fine-tuning, as a share of those before it.
            transfer_parts: what is copied.
            learn_delays: whether fine-tuning changes the delays, or rounds and keeps them.
            spikes: False for a control that goes on without spikes.
            anneal: whether the kernel is wide again at first, and shrinks as from scratch.
        """
        first = relu.stages[0]
        assert isinstance(first, DelayStage)
        delays = "kept" if not learn_delays else "wide" if anneal else "learned"
        stage = self._stage(
            f"{first.name}-to-{'lif' if spikes else 'relu'}-{transfer_parts}-{delays}",
            first.lr_weights * share,
            relu.seed,
            delay_mode="learned" if learn_delays else "fixed",
            neuron="lif" if spikes else "relu",
            epochs=self.config.epochs,
            lr_delays=self.learning.lr_delays * share,
            # Else the delays, which are nearly whole already, keep the final width of the kernel
            anneal_share=self.learning.anneal_share if anneal else 0.0,
            transfer_parts=transfer_parts,
        )
        return delay_experiment(first, stage)

    def _stage(
        self,
        name: str,
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
            seed=seed,
            epochs=epochs,
            lr_weights=lr,
            hidden=self.config.hidden,
            neuron=neuron,
        )
        name = f"{name}-rate{lr:g}-epochs{epochs}-seed{seed}"
        return replace(stage, name=name, test_each_epoch=False, **recipe)


def twin(net: DelayNet) -> DelayNet:
    """Copy all parameters of a ReLU network to a spiking one, in evaluation mode."""
    spiking: DelayNet = replace(net.config, neuron="lif").build()
    copy_delay_weights(net, spiking)
    return spiking.eval()
