"""Google Speech Commands, a second of sound a word, as log-mel features in the published split.

Features are made once, by several processes, and kept in the cache: 16 kB a clip of 40 channels, 57
kB of 140, so that the whole set takes 1.7 or 6.0 GB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from snnlab._utils.errors import SnnlabError
from snnlab._utils.escape import printable
from snnlab._utils.fields import known
from snnlab._utils.files import given_path, sha256_of
from snnlab._utils.processes import mapped, processes
from snnlab.data.batches.feature_set import FeatureSet, read_only
from snnlab.data.cache import Mapped, cached, cached_or_none
from snnlab.data.datasets.catalogue import DATASETS, published_name
from snnlab.data.datasets.gsc_folder import (
    LISTS,
    Stamp,
    find_clips,
    provenance,
    shortened,
    speaker_of,
    split_by_lists,
    word_of,
)
from snnlab.data.encoding.mel import PAPER, RATE, SANE, Mel, log_mel
from snnlab.data.holdout import balanced, check_trained, checked_folds, divide
from snnlab.data.io.wav import read_clip
from snnlab.data.splits import DataSplits, each_once, limited, optional_number, subsets

FEATURES = {"paper": PAPER, "sane": SANE}
UNITS = {"paper": "dB", "sane": "standard deviations from the mean of the training set"}
# Clips of a word that are one entry of the cache; Google's words have fewer, so each word is one
CHUNK = 4000

_BLOCK = 256  # clips that are read and converted at a time


@dataclass(frozen=True)
class _Chunk:
    """Clips of one word and one split whose features are one entry of the cache."""

    folder: Path
    clips: tuple[tuple[str, Stamp], ...]  # `word/file.wav` and what its file is told by
    mel: Mel

    @property
    def key(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "first": self.clips[0][0],
            "last": self.clips[-1][0],
            "clips": sha256_of([repr(self.clips)]),
            "mel": asdict(self.mel),
        }

    def features(self) -> Mapped:
        return cached("gsc", self.key, partial(_features, self))


class _BadClips(Exception):
    """The unusable files of a chunk, with the fault of each."""


def load(
    folder: str | Path,
    *,
    features: str = "paper",
    fold: int = 0,
    folds: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> DataSplits[FeatureSet]:
    """Load the clips `<word>/*.wav` as features, split by the two lists beside these folders.

    With `folds` they are divided anew by speaker, see `snnlab.data.holdout.divide`.

    Words are numbered in alphabetical order. `_background_noise_` is left out. A speaker is
    what stands before `_nohash_` in a file's name. Clips are padded with silence, or cut, to one
    second.

    A file with the path, size and mtime of an earlier call is not read again. A call that is killed
    loses only the chunks in work, each a word of a split.

    Args:
        folder: with `validation_list.txt` and `testing_list.txt`, as the archive unpacks.
        features: "paper", as Hammouamri et al. 2024 have them: 140 channels in dB, 53 of which
            never change; or "sane": 40 channels up to 4 kHz, each standardised by its mean and
            standard deviation over the training set.
        fold: the fold to test on.
        folds: how many folds of speakers; None or 0 for the split of the lists.
        limit: at most so many training clips, and a quarter of it for validation, as many of each
            word as can be. The test set stays whole.
        seed: which clips `limit` draws.
        workers: processes; 1 works in this one, None takes one a core.

    Raises:
        SnnlabError: the folder or a list is missing, a list names what is not there, a split is
            empty, a word is tested and not trained, files cannot be used (all of them are looked
            at, and counted), there are no such features or fold, or a number is out of range.
    """
    mel = FEATURES[known(features, FEATURES, "set of features")]
    limit = optional_number("limit", limit)
    workers = processes(workers)
    folder = given_path(folder).resolve()
    stamps = find_clips(folder)
    names = split_by_lists(folder, stamps)
    sizes = [(name, stamps[name][0]) for part in names.values() for name in part]
    speakers = len({speaker_of(name) for name in stamps})
    fold, folds = checked_folds(fold, folds, 0, (speakers, f"speakers in {folder}"))
    note = f"log-mel features ({features}) of words from {printable(str(folder))}; "
    published = {part: len(found) for part, found in names.items()} == DATASETS["gsc"].counts[0]
    classes = tuple(sorted({word_of(name) for name in stamps}))
    for part, file in LISTS.items():
        check_trained(map(word_of, names["train"]), map(word_of, names[part]), folder / file)
    if limit is not None and not folds:  # what is left out needs no features
        names["train"] = _limited(names["train"], limit, seed)
        names["valid"] = _limited(names["valid"], max(1, limit // 4), seed)

    clips = feature_set(folder, [*names.values()], stamps, classes, mel, workers)
    how = provenance(names)
    index = np.split(np.arange(len(clips)), np.cumsum([len(part) for part in names.values()])[:-1])
    part_of = dict(zip(names, index, strict=True))
    if folds:
        by = np.array([speaker_of(name) for part in names.values() for name in part])
        labels = clips.labels.numpy()
        part_of, how = divide(labels, by, fold=fold, folds=folds, where=folder, classes=classes)
    sets = limited(subsets(clips, part_of), limit if folds else None, seed)
    if features == "sane":
        sets = standardised(sets)
    return DataSplits(
        **sets,
        name="gsc" if published else published_name(folder, printable(folder.name), "recordings"),
        path=str(folder),
        sha256=sha256_of([repr(sizes)]),
        note=note + how,
        unit=UNITS[features],
        preprocessing={
            "features": features,
            **asdict(mel),
            **({"fold": fold, "folds": folds} if folds else {}),
            "limit": limit,
            "seed": seed,
        },
    )


def feature_set(
    folder: Path,
    parts: Sequence[list[str]],
    stamps: Mapping[str, Stamp],
    classes: tuple[str, ...],
    mel: Mel,
    workers: int,
) -> FeatureSet:
    """Return the features of clips, from the cache or computed.

    Args:
        folder: where the clips are.
        parts: `word/file.wav` of the clips of each part; a word of a part is kept by itself.
        stamps: size and mtime of each clip's file.
        classes: the words.
        mel: how the features are made.
        workers: processes.

    Returns:
        The clips of all parts, one part after the other.

    Raises:
        SnnlabError: files cannot be used.
    """
    names = [name for part in parts for name in part]
    arrays = _made(
        [chunk for part in parts for chunk in _chunks(folder, part, stamps, mel)], folder, workers
    )
    _, speakers = np.unique([speaker_of(name) for name in names], return_inverse=True)
    return FeatureSet(
        labels=torch.tensor([classes.index(word_of(name)) for name in names]),
        speakers=torch.from_numpy(speakers),
        classes=classes,
        dt_ms=mel.dt_ms,
        chunks=tuple(map(read_only, arrays)),
        files=tuple(str(array.filename) for array in arrays),
        places=torch.tensor([(k, i) for k, array in enumerate(arrays) for i in range(len(array))]),
    )


def standardised(parts: Mapping[str, FeatureSet]) -> dict[str, FeatureSet]:
    """Standardise each feature of every part by its mean and deviation in `train`."""
    train = parts["train"].standardised()
    return each_once(parts, lambda part: part.standardised(train.scale))


def _limited(names: list[str], limit: int, seed: int) -> list[str]:
    words = np.array([word_of(name) for name in names])
    return [names[i] for i in balanced(words, limit, seed)]


def _chunks(folder: Path, names: list[str], stamps: Mapping[str, Stamp], mel: Mel) -> list[_Chunk]:
    """Return a chunk for each word: a clip that comes or goes changes no other word."""
    chunks = []
    for _, group in groupby(names, word_of):
        clips = tuple((name, stamps[name]) for name in group)
        chunks += [_Chunk(folder, clips[i : i + CHUNK], mel) for i in range(0, len(clips), CHUNK)]
    return chunks


def _made(chunks: list[_Chunk], folder: Path, workers: int) -> list[Mapped]:
    """Return the features of every chunk, (clips, T, n_mels) each, from the cache or computed."""
    arrays = [cached_or_none("gsc", chunk.key) for chunk in chunks]
    missing = [chunk for chunk, array in zip(chunks, arrays, strict=True) if array is None]
    clips, bad = sum(len(chunk.clips) for chunk in chunks), []
    todo = sum(len(chunk.clips) for chunk in missing)
    with (
        tqdm(
            total=clips,
            initial=clips - todo,
            desc="log-mel features",
            unit="clip",
            disable=not missing,
        ) as bar,
        mapped(_prepare, missing, workers) as results,
    ):
        for i, chunk in enumerate(chunks):
            if arrays[i] is None:
                wrong = next(results)
                bad += wrong
                # Mapped at once: what is, cannot be removed from a cache that is full
                if not wrong:
                    arrays[i] = chunk.features()
                bar.update(len(chunk.clips))
    if bad:
        raise SnnlabError(
            f"{folder}: {len(bad)} of {clips} clips cannot be used: "
            f"{shortened(bad)}; mono wav files at {RATE:,} Hz were expected. Fetch "
            "them again, or remove them and their lines in the lists; what is finished is kept."
        )
    return [array for array in arrays if array is not None]


def _prepare(chunk: _Chunk) -> list[str]:
    """Put the features of a chunk into the cache; return the faults of its files."""
    try:
        chunk.features()
    except _BadClips as bad:
        return list(bad.args)
    return []


def _features(chunk: _Chunk) -> np.ndarray:
    """(clips, T, n_mels) float32."""
    features = np.empty(
        (len(chunk.clips), 1 + chunk.mel.rate // chunk.mel.hop, chunk.mel.n_mels), dtype=np.float32
    )
    bad = []
    for start in range(0, len(chunk.clips), _BLOCK):
        here = chunk.clips[start : start + _BLOCK]
        waves = np.zeros((len(here), RATE), dtype=np.float32)
        for wave, (name, _) in zip(waves, here, strict=True):
            try:
                sound = read_clip(chunk.folder / name)[:RATE]
                wave[: len(sound)] = sound
            except ValueError as error:
                fault = str(error).partition(";")[0]
                bad.append(f"{name} {fault}")
        if not bad:
            mel = log_mel(torch.from_numpy(waves), chunk.mel)
            features[start : start + len(here)] = mel.transpose(0, 1).numpy()
    if bad:
        raise _BadClips(*bad)
    return features
