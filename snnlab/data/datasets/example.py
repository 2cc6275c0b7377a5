"""One spoken word that ships with snnlab, for hearing and seeing what the cochlea does."""

import os
from pathlib import Path

import numpy as np
import soundfile

from snnlab._utils.errors import SnnlabError
from snnlab.data.paths import SHIPPED


def spoken_word() -> tuple[np.ndarray, int]:
    """Load the word "seven", spoken by espeak-ng.

    Returns:
        The sound (samples,) float, within -1 to 1, and its sample rate in Hz.

    Raises:
        SnnlabError: the file that ships is missing or damaged.
    """
    path = SHIPPED / "seven.flac"
    try:
        # As bytes: the name of a folder above need not be UTF-8
        return soundfile.read(os.fsencode(path))
    except (OSError, soundfile.LibsndfileError) as error:
        raise SnnlabError(
            f"{path}: the recording that ships with snnlab cannot be read ({error}); restore it "
            "from git."
        ) from error


def film() -> Path:
    """Return a folder with 62 frames, 160 x 90, of five seconds of *Big Buck Bunny*.

    Blender Foundation 2008, CC BY 3.0.
    """
    return SHIPPED / "big-buck-bunny"
