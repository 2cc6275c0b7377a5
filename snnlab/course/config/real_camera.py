"""The parameters of the page "03 on a real camera", and its three profiles."""

from dataclasses import dataclass

from snnlab._utils.fields import parameter
from snnlab.course.config.shared import Config, profiles


@dataclass(frozen=True)
class RealCamera(Config):
    """The page "03 on a real camera": pipe-D, from MNIST's pictures to N-MNIST's recordings."""

    notebook = "03_real_camera"
    notebook_folder = "notebooks/real"

    events_folder: str = parameter(
        "", "where N-MNIST lies; empty for the folder n-mnist of the data", empty=True
    )


REAL_CAMERA = profiles(RealCamera(), tiny={}, paper={})
