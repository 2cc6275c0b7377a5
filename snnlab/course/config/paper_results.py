"""The parameters of notebook 07, and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Config, sizes


@dataclass(frozen=True)
class PaperResults(Config):
    """Notebook 07."""

    notebook = "07_paper_results"

    folder: str = parameter("where the runs are, at any depth; empty for runs/", empty=True)
    trainings: int = parameter("trainings that section 2 imagines", low=10, high=1_000_000)
    live: bool = parameter("sliders; False leaves pictures only", decides=False)


PAPER_RESULTS = sizes(
    PaperResults(profile="course", seed=0, out="", folder="", trainings=2000, live=True),
    tiny=dict(trainings=200, live=False),
    paper=dict(trainings=20_000, live=False),
)
