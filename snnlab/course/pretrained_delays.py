"""The trainings that notebook 06 compares: delays learned in a ReLU network, handed over, or learned with spikes from scratch."""

from dataclasses import dataclass, replace
from typing import Any

from snnlab.course.config import LearningDelays, PretrainedDelays
from snnlab.course.tasks import delay_job
from snnlab.delays.experiments import Job
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.weight_transfer import TransferParts, copy_delay_weights


@dataclass(frozen=True)
class Recipes:
    """What makes a job of a number of hidden layers, a learning rate and a seed.

    Attributes:
        config: of notebook 06.
        learning: of notebook 04: what the other one does not say.
        classes: of the recordings.
    """

    config: PretrainedDelays
    learning: LearningDelays
    classes: int

    @property
    def together(self) -> int:
        """Epochs of pretraining and fine-tuning."""
        return self.config.pretrain_epochs + self.config.epochs

    def scratch(self, layers: int, rate: float, seed: int) -> Job:
        """A spiking network for as many epochs as both stages have together."""
        return self._job("scratch", layers, rate, seed, self.together)

    def sharpened(self, layers: int, rate: float, seed: int) -> Job:
        """A ReLU network for as many epochs, whose ramps become steps; its `twin` is the result."""
        return self._relu(layers, rate, seed, self.together, sharpen=1.0)

    def relu(self, layers: int, rate: float, seed: int, *, sharpen: float) -> Job:
        """A ReLU network for the epochs of pretraining."""
        return self._relu(layers, rate, seed, self.config.pretrain_epochs, sharpen=sharpen)

    def pretrained(
        self,
        layers: int,
        rate: float,
        seed: int,
        *,
        sharpen: float | None = None,
        transfer_parts: TransferParts = "both",
        learn_delays: bool = False,
    ) -> Job:
        """A ReLU network, and a spiking one that takes over from it and is fine-tuned.

        Args:
            layers, rate, seed: as everywhere; the rates of fine-tuning are `fine_tune` times those
                before it.
            sharpen: of the ReLU network; None for the last one in `sharpen`.
            transfer_parts: which parameters are copied.
            learn_delays: whether they go on moving, or are rounded and stay.
        """
        sharpen = self.config.sharpen[-1] if sharpen is None else sharpen
        job = self._job(
            f"takes-{transfer_parts}-{'learns' if learn_delays else 'holds'}-{sharpen:g}",
            layers,
            rate,
            seed,
            self.config.epochs,
            variant="learned" if learn_delays else "fixed",
            lr_weights=rate * self.config.fine_tune,
            lr_delays=self.learning.lr_delays * self.config.fine_tune,
            anneal_share=0.0,  # the delays are nearly whole already
        )
        return replace(
            job, after=self.relu(layers, rate, seed, sharpen=sharpen), transfer_parts=transfer_parts
        )

    def _relu(self, layers: int, rate: float, seed: int, epochs: int, *, sharpen: float) -> Job:
        """Its last epoch is kept: only then it is as sharp as asked."""
        return self._job(
            f"relu-{sharpen:g}",
            layers,
            rate,
            seed,
            epochs,
            neuron="relu",
            sharpen=sharpen,
            keep="last",
        )

    def _job(
        self,
        name: str,
        layers: int,
        rate: float,
        seed: int,
        epochs: int,
        *,
        variant: str = "learned",
        neuron: str = "lif",
        **recipe: Any,
    ) -> Job:
        job = delay_job(
            self.learning,
            variant,
            classes=self.classes,
            tau_ms=self.learning.tau_ms[0],
            seed=seed,
            epochs=epochs,
            hidden=[self.config.neurons] * layers,
            neuron=neuron,
        )
        name = f"{name}-layers{layers}-rate{rate:g}-epochs{epochs}-seed{seed}"
        return replace(job, name=name, recipe=replace(job.recipe, **{"lr_weights": rate, **recipe}))


def twin(net: DelayNet) -> DelayNet:
    """The spiking network with all parameters of a ReLU one, in evaluation mode."""
    spiking = DelayNet(**(net.config | {"neuron": "lif"}))
    copy_delay_weights(net, spiking)
    return spiking.eval()
