"""The test archive of Google Speech Commands: ten words by 239 people, in speaker-disjoint folds.

The recordings become spikes of the cochlea model, or the log-mel features of
`snnlab.data.datasets.gsc`. The spikes are computed once, by several processes, and kept in the
cache: about half a CPU second a clip.
"""

import shutil
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.escape import printable
from snnlab._utils.fields import known, whole_number
from snnlab._utils.files import given_path, sha256_of
from snnlab._utils.processes import Spikes, encode, processes
from snnlab.data.batches.feature_set import FeatureSet
from snnlab.data.batches.spike_set import SpikeSet, bin_events, check_bins
from snnlab.data.cache import Mapped, cached, unfinished
from snnlab.data.datasets.catalogue import COMMANDS
from snnlab.data.datasets.gsc import FEATURES, UNITS, feature_set, standardised
from snnlab.data.datasets.gsc_folder import shortened, speaker_of, word_of
from snnlab.data.datasets.spoken_commands_folder import FOLDS, NAME, Clips, find, verify
from snnlab.data.encoding.mel import RATE
from snnlab.data.holdout import check_hold_out, checked_folds, divide
from snnlab.data.io.events import Events, offsets_of
from snnlab.data.io.many_files import seed_of
from snnlab.data.io.wav import read_clip
from snnlab.data.splits import DataSplits, limited, optional_number, subsets

_SEED = 0  # of the auditory nerve
_SPIKE = [("recording", "<u2"), ("unit", "<u2"), ("time", "<f4")]


@dataclass(frozen=True)
class _EncodingJob:
    """A clip to encode; its MD5 sum stands for its content."""

    file: str
    md5: str
    seed: int


def load(
    folder: str | Path,
    *,
    fold: int = 0,
    folds: int | None = None,
    features: str = "spikes",
    dt_ms: float = 10.0,
    n_in: int = 140,
    binning: str = "regular",
    limit: int | None = None,
    seed: int = 0,
    hold_out: bool = True,
    workers: int | None = None,
) -> DataSplits[Any]:
    """Load the clips of the ten words; the speakers of one fold are the test set.

    A speaker's clips are all in one fold, see `snnlab.data.holdout.divide`; further words and
    duplicates count, too. Of clips with the same content the first by name stays. Clips that cannot
    be used are left out, and named in the note.

    The first call encodes the spikes, which are then kept; a killed call is resumed by the next.
    Sounds are encoded as they are, silence at both ends included; the random numbers of a clip are
    drawn from its path, so the result depends neither on the number of workers nor on other files.

    Args:
        folder: as the archive unpacks: a folder a word, `_unknown_` and `_silence_`.
        fold: the fold to test on.
        folds: how many folds; None or 0 for 5.
        features: "spikes" of the cochlea model, or "paper" or "sane" as in
            `snnlab.data.datasets.gsc.load`.
        dt_ms: time step of the spikes, 1 to 1000 ms; the features have 10 ms.
        n_in: inputs of the spikes, a divisor of 700; the features have 140 or 40.
        binning: of the spikes, "regular" or "event", see `bin_events`.
        limit: at most so many training clips, and a quarter of it for validation, as many of each
            word as can be. The test set stays whole.
        seed: which clips `limit` draws.
        hold_out: False trains on all clips of the other folds, and gives the test set in place of a
            validation set.
        workers: processes; 1 works in this one, None takes one a core.

    Raises:
        SnnlabError: a folder is missing or it is another archive, there is no such fold, more than
            5 % of the clips cannot be used, a word is tested and not trained, or a number is out of
            range.
    """
    known(features, ("spikes", *FEATURES), "set of features")
    limit = optional_number("limit", limit)
    seed = whole_number("seed", seed, 0)
    if features == "spikes":
        check_bins(dt_ms, n_in, binning)
    verify(folder, "data", {"fold": fold, "folds": folds})
    folder = given_path(folder).resolve()
    clips = find(folder)
    most = len(clips.spoken), f"speakers in {folder}"
    fold, folds = checked_folds(fold, folds, FOLDS, most)
    hold_out = check_hold_out(hold_out)
    part_of, how = _parts(clips, fold, folds, folder, hold_out)
    form: dict[str, Any]
    everything: SpikeSet | FeatureSet
    if features == "spikes":
        form = {"dt_ms": float(dt_ms), "n_in": int(n_in), "binning": binning}
        # each word is an entry of the cache, so that a clip that changes costs its own word only
        words = tuple(
            str(_encode_word(word, [*names], clips, folder, workers).filename)
            for word, names in groupby(clips.md5, word_of)
        )
        everything = _binned(words, tuple(clips.md5), **form)
    else:
        mel = FEATURES[features]
        everything = feature_set(
            folder, [[*clips.md5]], clips.stamps, COMMANDS, mel, processes(workers)
        )
        form = asdict(mel)
    sets = limited(subsets(everything, part_of), limit, seed)
    if features == "sane":
        sets = standardised(sets)
    return DataSplits(
        **sets,
        name=NAME if clips.published else printable(folder.name),
        path=str(folder),
        sha256=sha256_of(text for pair in clips.md5.items() for text in pair),
        note=how,
        unit="spikes a step and input" if features == "spikes" else UNITS[features],
        preprocessing={
            "features": features,
            **form,
            "fold": fold,
            "folds": folds,
            "limit": limit,
            "seed": seed,
            "hold_out": hold_out,
        },
    )


def _parts(
    clips: Clips, fold: int, folds: int, folder: Path, hold_out: bool
) -> tuple[dict[str, np.ndarray], str]:
    """Return the ascending indices of the clips of each part, and in words how they were split."""
    names = [*clips.md5]
    speakers = np.array([speaker_of(name) for name in names])
    labels = np.array([COMMANDS.index(word_of(name)) for name in names])
    parts, how = divide(
        labels, speakers, fold=fold, folds=folds, where=folder, classes=COMMANDS,
        hold_out=hold_out, sizes=clips.spoken,
    )  # fmt: skip
    note = (
        f"recordings of {len(COMMANDS)} words by {len(set(speakers))} speakers (the test archive "
        f"of Speech Commands); {how}"
    )
    note += f"; {clips.duplicates} duplicates dropped"
    if clips.bad:
        note += f"; {len(clips.bad)} clips left out: {shortened(clips.bad)}"
    return parts, note


def _encode_word(
    word: str, names: list[str], clips: Clips, folder: Path, workers: int | None
) -> Mapped:
    """Return the spikes of a word's clips, from the cache or encoded."""
    contents = sha256_of([repr([(name, clips.md5[name]) for name in names])])
    key = {"word": word, "clips": contents, "seed": _SEED}
    parts = unfinished(NAME, key)

    def make() -> np.ndarray:
        jobs = [
            _EncodingJob(str(folder / name), clips.md5[name], seed_of(_SEED, name))
            for name in names
        ]
        times, units, offsets = encode(
            jobs, worker=_encode, workers=workers, partial=parts, title=f"encoding {word!r}"
        )
        spikes = np.empty(len(times), dtype=_SPIKE)
        spikes["time"], spikes["unit"] = times, units
        spikes["recording"] = np.repeat(np.arange(len(names)), np.diff(offsets))
        return spikes

    spikes = cached(NAME, key, make)
    shutil.rmtree(parts, ignore_errors=True)
    return spikes


def _encode(job: _EncodingJob) -> Spikes:
    from snnlab.data.encoding.cochlea import cochlea  # here: features need no compiler

    return cochlea(read_clip(Path(job.file))[:RATE], RATE, seed=job.seed)


@lru_cache(maxsize=2)
def _binned(
    files: tuple[str, ...], names: tuple[str, ...], dt_ms: float, n_in: int, binning: str
) -> SpikeSet:
    """Bin the spikes of all clips, whatever their fold."""
    words = [np.load(file, mmap_mode="r") for file in files]
    sizes = [len([*group]) for _, group in groupby(names, word_of)]
    counts = [
        np.bincount(word["recording"], minlength=n) for word, n in zip(words, sizes, strict=True)
    ]
    return bin_events(
        Events(
            times=np.concatenate([word["time"] for word in words]),
            units=np.concatenate([word["unit"] for word in words]),
            offsets=offsets_of(np.concatenate(counts)),
            labels=np.array([COMMANDS.index(word_of(name)) for name in names]),
            speakers=np.unique([speaker_of(name) for name in names], return_inverse=True)[1],
            keys=COMMANDS,
        ),
        dt_ms=dt_ms,
        n_in=n_in,
        binning=binning,
    )
