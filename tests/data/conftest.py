"""What the tests of the reader share."""

import os
import shutil
from pathlib import Path

import pytest
from recordings import recordings


@pytest.fixture(scope="session")
def make():
    return recordings


def put_litter(folder):
    """Put in a folder and all below it what systems and tools leave, with copies of the data."""
    for here, _, files in list(os.walk(folder)):
        for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
            (Path(here) / name).mkdir()
            for file in files:
                shutil.copy(Path(here) / file, Path(here) / name / file)
        for name in (".DS_Store", "Thumbs.db", *(f"._{file}" for file in files)):
            (Path(here) / name).write_bytes(b"no data")


@pytest.fixture(scope="session")
def litter():
    return put_litter
