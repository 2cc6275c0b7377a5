"""Where data lie: a set by its name or path, and what ships."""

from pathlib import Path

from snnlab._utils.files import given_path
from snnlab._utils.places import ROOT, data_folder

SHIPPED = ROOT / "data" / "shipped"


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
