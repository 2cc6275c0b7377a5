"""Where files lie: those that come with snnlab, data sets, and results.

Notebooks, `params/`, the data that ship and `constraints.txt` come with snnlab. They lie in the
clone that it is imported from, or else in the wheel, where `setup.py` puts a copy.
"""

import os
from pathlib import Path

from snnlab._utils.files import given_path

_PACKAGE = Path(__file__).parents[1]
_COPY = _PACKAGE / "course_files"
INSTALLED = _COPY.is_dir()  # from a wheel, instead of imported from a clone
ROOT = _COPY if INSTALLED else _PACKAGE.parent


def course_file(name: str) -> Path:
    """Return a file or folder that comes with snnlab.

    A checkout that holds the working directory goes first, unless snnlab is installed.

    Args:
        name: its path in a clone, such as "params/delays_shd.yaml".
    """
    own = _checkout() / name
    return own if os.path.exists(own) and not INSTALLED else ROOT / name


def data_folder() -> Path:
    """Return the folder SNNLAB_DATA, else data/ of the clone, else the user's folder for snnlab."""
    if given := os.environ.get("SNNLAB_DATA"):
        return given_path(given).absolute()
    if not INSTALLED:
        return ROOT / "data"
    from platformdirs import user_data_path  # the doctor runs without it, too

    return user_data_path("snnlab", appauthor=False)


def runs_folder() -> Path:
    """Return runs/ of the data folder if snnlab is installed, else of the checkout.

    The checkout is the one that holds the working directory, or else the working directory.
    """
    return (data_folder() if INSTALLED else _checkout()) / "runs"


def _checkout() -> Path:
    here = Path.cwd()
    return next(
        (folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here
    )
