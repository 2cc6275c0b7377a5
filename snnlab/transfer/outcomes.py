"""What came of a plan, stage by stage: curves, accuracies, and what they cost."""

from dataclasses import dataclass
from pathlib import Path

from snnlab.nn.vision import VisionNet, build
from snnlab.nn.weight_transfer import TransferReport
from snnlab.training import checkpoints
from snnlab.transfer.pipelines import Plan
from snnlab.transfer.stages import Stage


@dataclass(frozen=True)
class StageOutcome:
    """What a stage did. Accuracies are on its validation set, before its first epoch."""

    stage: Stage
    history: list[dict[str, float]]
    handed_over: TransferReport | None  # None where the network stayed the same
    copied_accuracy: float | None  # None for the first stage
    reestimated_accuracy: float | None  # with new batch-norm statistics
    # Of work (see `work_clock`) to convert the network or measure its batch norm anew
    arrival_seconds: float
    checkpoint: Path

    def network(self) -> VisionNet:
        """The network as this stage left it, in evaluation mode and its own mode; not for a converted one."""
        content = checkpoints.load(self.checkpoint)
        with checkpoints.as_written(self.checkpoint):
            net = build(content["network"])
            net.load_state_dict(content["best"])
        self.stage.enter(net)
        return net.eval()

    @property
    def cpu_seconds(self) -> float:
        """CPU time of its training steps, and of converting it or making batch-norm statistics anew."""
        return self.arrival_seconds + sum(line["cpu_seconds"] for line in self.history)

    @property
    def sample_timesteps(self) -> int:
        """Time steps of all samples that it trained on."""
        return int(sum(line["sample_timesteps"] for line in self.history))


@dataclass(frozen=True)
class TransferOutcome:
    """What became of a plan."""

    plan: Plan
    stages: list[StageOutcome]
    valid_accuracy: float
    test_accuracy: float
    net: VisionNet  # as it came out, in evaluation mode and the mode of the last stage

    def curve(self, *, pretraining: bool = True) -> tuple[list[float], list[float]]:
        """CPU seconds spent after each epoch of the last stage, and the validation accuracy there.

        Args:
            pretraining: whether the clock runs from the first stage on, or only from the last.
        """
        *before, last = self.stages
        spent = last.arrival_seconds + (
            sum(stage.cpu_seconds for stage in before) if pretraining else 0.0
        )
        times, accuracies = [], []
        found = (
            last.copied_accuracy if last.reestimated_accuracy is None else last.reestimated_accuracy
        )
        if found is not None:  # what the hand-over alone is worth
            times.append(spent)
            accuracies.append(found)
        for line in last.history:
            spent += line["cpu_seconds"]
            times.append(spent)
            accuracies.append(line["valid_accuracy"])
        return times, accuracies

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the training, pretraining included."""
        return sum(stage.cpu_seconds for stage in self.stages)

    @property
    def sample_timesteps(self) -> int:
        """Time steps of all samples of the training, pretraining included."""
        return sum(stage.sample_timesteps for stage in self.stages)
