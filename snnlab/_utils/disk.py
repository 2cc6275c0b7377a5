"""The space on a disk."""

import os
import shutil
import tempfile
from pathlib import Path

from snnlab._utils.errors import SnnlabError


def free_gb(folder: Path, cure: str) -> float:
    """Return the free space where a folder is or will be, after a file was written there.

    The file is removed. Of a folder that does not exist, the nearest above it counts.

    Args:
        folder: the folder.
        cure: advice for an error: what to do if another folder is wanted.

    Raises:
        SnnlabError: the file cannot be written.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    try:
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".snnlab-test-") as file:
            file.write(b"test")
            file.flush()
    except OSError as error:
        where = "" if existing == folder else f"{folder}: "
        raise SnnlabError(
            f"{where}{existing} cannot be written ({error.strerror}); a writable folder was "
            f"expected. Change its permissions, or {cure}."
        ) from error
    return shutil.disk_usage(existing).free / 1e9
