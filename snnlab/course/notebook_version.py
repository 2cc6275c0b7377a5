"""Compare the version of a notebook with that of the package."""

from snnlab._utils.version import __version__


def check_version(notebook: str) -> None:
    """Print a sentence if a notebook belongs to another version of snnlab.

    Args:
        notebook: the version that the notebook belongs to.
    """
    if notebook != __version__:
        print(
            f"This notebook belongs to snnlab {notebook}, but {__version__} is installed, so cells "
            "may fail or give other results. Take the notebooks of the installed version, which "
            f"`snnlab course FOLDER` writes, or install snnlab {notebook}."
        )
