"""Where data lie: the folder of all sets, a set by its name or path, and what ships."""

import os
from pathlib import Path

from snnlab._utils.files import given_path

_ROOT = Path(__file__).parents[2]
SHIPPED = _ROOT / "data" / "shipped"


def data_folder() -> Path:
    """Return the folder SNNLAB_DATA, else data/ of the clone."""
    return given_path(os.environ.get("SNNLAB_DATA") or _ROOT / "data")


def data_path(data: str | Path) -> Path:
    """Return the folder of a data set: a name lies below the data folder, a path is itself.

    A text without a slash that does not begin with `.` or `~` is a name; `./mine` is the path of
    what is called so here.

    Example:
        >>> data_path("./mine"), data_path("mine") == data_folder() / "mine"
        (PosixPath('mine'), True)
    """
    path = given_path(data)
    named = isinstance(data, str) and data == path.name and not data.startswith((".", "~"))
    return data_folder() / path if named else path
