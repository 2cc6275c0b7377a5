"""Where data lie: the folder of all sets, and what ships with snnlab."""

import os
from pathlib import Path

from snnlab._utils.files import given_path

_ROOT = Path(__file__).parents[2]
SHIPPED = _ROOT / "data" / "shipped"


def data_folder() -> Path:
    """Return the folder SNNLAB_DATA, else data/ of the clone."""
    return given_path(os.environ.get("SNNLAB_DATA") or _ROOT / "data")
