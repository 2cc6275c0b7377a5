"""pipe-S and pipe-D of Lin et al. 2022 as sequences of stages, and what they are compared with.

A stage trains one network in one mode on one data set. Where the next stage names another network,
the parameters are handed over; where it names another mode, they stay where they are. Every stage
is a recipe for `snnlab.training.trainer.fit`, so a killed run goes on from its last epoch.
"""

from snnlab.transfer.outcomes import StageOutcome, TransferOutcome
from snnlab.transfer.pipelines import (
    Plan,
    converted,
    falling,
    modern,
    pipe_d,
    pipe_s,
    plan,
    scratch,
)
from snnlab.transfer.runner import Task, train_plan, train_plans
from snnlab.transfer.stages import Stage, zero_shot

__all__ = [
    "Plan",
    "Stage",
    "StageOutcome",
    "Task",
    "TransferOutcome",
    "converted",
    "falling",
    "modern",
    "pipe_d",
    "pipe_s",
    "plan",
    "scratch",
    "train_plan",
    "train_plans",
    "zero_shot",
]
