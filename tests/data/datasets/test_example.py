"""The word that ships is a second or less of clean sound; a damaged file is named."""

import numpy as np
import pytest

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets import example


def test_the_word():
    sound, rate = example.spoken_word()
    assert sound.ndim == 1 and 0.3 < len(sound) / rate < 1
    assert 0.1 < np.abs(sound).max() <= 1


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(example, "SHIPPED", tmp_path)
    with pytest.raises(SnnlabError, match="seven.flac"):
        example.spoken_word()
    (tmp_path / "seven.flac").write_bytes(b"fLaC")
    with pytest.raises(SnnlabError, match="restore it from git"):
        example.spoken_word()
