"""The parameters of notebook 07, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Config, profiles


@dataclass(frozen=True)
class PaperResults(Config):
    """Notebook 07."""

    notebook = "07_paper_results"

    folder: str = parameter("", "where the runs are, at any depth; empty for runs/", empty=True)
    trainings: int = parameter(2000, "trainings that section 2 imagines", low=10, high=1_000_000)


PAPER_RESULTS = profiles(
    PaperResults(),
    tiny=dict(trainings=200),
    paper=dict(trainings=20_000),
)
