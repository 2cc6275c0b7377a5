"""Spoken digits of invented speakers, as spikes, in the layout of the Spiking Heidelberg Digits.

The words are SHD's, zero to nine in English and German; the speech is espeak-ng's and the spikes
are the cochlea model's. It is not SHD, and a result on it stands beside no result on SHD.

Recording `i` of a split is a function of the seed, the split and `i` alone: speaker `i // 20` says
word `i % 20`. So a smaller set is the beginning of a larger one, every class is equally frequent,
and every speaker says every word once.
"""

import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number
from snnlab._utils.files import given_path
from snnlab._utils.processes import Spikes, encode
from snnlab._utils.version import __version__
from snnlab.data.datasets.voices import RATE, Espeak, Take, draw_take, draw_voice, record
from snnlab.data.io.events import Events, write_events
from snnlab.data.io.many_files import same_settings, writing_alone

CLASSES = tuple(
    "zero one two three four five six seven eight nine "
    "null eins zwei drei vier fünf sechs sieben acht neun".split()
)
SPLITS = ("train", "valid", "test")
NOTE = "generated speech (espeak-ng voices through a cochlea model), not SHD"

# espeak-ng's voice variants with a low and with a high voice; half of the speakers have each. No
# variant, and no two that differ in little but their name, is in two splits. Robots, whispers and
# giants are left out, and so is every variant of whose English digits a speech recogniser
# understands less than three in five.
VARIANTS = {
    "train": (
        (
            "m1 m2 m4 m7 klatt klatt3 klatt5 klatt6 edward edward2 david adam Reed Mike michel "
            "Diogo Henrique Hugo Denis grandpa Alex max Storm john Nguyen rob robert sandro pedro "
            "antonio"
        ).split(),
        "f2 f3 f5 steph aunty linda".split(),
    ),
    "valid": ("m5 m8 klatt2 mike2 victor quincy".split(), "f1 Annie".split()),
    "test": ("m3 m6 klatt4 benjamin pablo paul".split(), "f4 grandma".split()),
}
_MOST = 65_536 // len(SPLITS) * len(CLASSES)  # SHD's layout numbers speakers in 16 bits
_VOICE, _TAKE = 0, 1  # two streams of chance
_MAKERS = ("espeakng-loader", "numpy", "scipy", "numba")


def take(seed: int, split: str, index: int) -> Take:
    """Draw recording `index` of a split; it is not yet spoken."""
    speaker, label = divmod(index, len(CLASSES))
    place = SPLITS.index(split)
    low_or_high = VARIANTS[split][speaker % 2]
    voice = draw_voice(np.random.default_rng((seed, place, _VOICE, speaker)), low_or_high)
    chance = np.random.default_rng((seed, place, _TAKE, index))
    return draw_take(chance, voice, CLASSES[label], german=label >= 10)


def hear(job: Take) -> Spikes:
    """Return the spikes of one recording: times (E,) float32 seconds, units (E,) uint16."""
    from snnlab.data.encoding.cochlea import cochlea  # here: drawing takes needs no compiler

    return cochlea(record(job), RATE, seed=job.seed)


def make(
    out: str | Path, *, size: int | tuple[int, int, int], seed: int = 0, workers: int | None = None
) -> Path:
    """Make train.h5, valid.h5 and test.h5, and print their statistics beside those of SHD.

    No speaker and no espeak-ng voice variant is in two splits; accents, rooms and noise are drawn
    alike in all three. A killed run leaves no file half written, and the next call makes the
    missing recordings.

    Args:
        out: where the files go; files made with the same size and seed are replaced.
        size: recordings in all, two in seventeen of them for validation and three for test (at
            least 20 each, as in training); or the three numbers.
        seed: 0 or more; another one gives other people.
        workers: processes, by default one a core; the result does not depend on it.

    Returns:
        `out`.

    Raises:
        SnnlabError: a size or the seed is out of range, espeak-ng is not installed, `out` cannot be
            written or has other files, or another call writes there.
    """
    sizes = dict(zip(SPLITS, _sizes(size), strict=True))
    seed = whole_number("seed", seed, 0)
    with Espeak():  # fail at once if it is missing, not after an hour
        pass
    out = given_path(out)
    settings, rows, partial = (
        {"set": "spoken-digits", "size": list(sizes.values()), "seed": seed},
        {},
        out / ".partial",
    )
    with writing_alone(out):  # whether one may write is told at once, too
        same_settings(out / "conversion.json", settings, [out / f"{split}.h5" for split in SPLITS])
        for split, n in sizes.items():
            jobs = [take(seed, split, index) for index in range(n)]
            times, units, offsets = encode(
                jobs, worker=hear, workers=workers, partial=partial, title=split
            )
            index = np.arange(n)
            events = Events(
                times=times,
                units=units,
                offsets=offsets,
                labels=index % len(CLASSES),
                speakers=index // len(CLASSES) * len(SPLITS) + SPLITS.index(split),
                keys=CLASSES,
            )
            write_events(out / f"{split}.h5", events, _meta(sizes, seed))
            rows[split] = statistics(events)
        shutil.rmtree(partial, ignore_errors=True)
    Console().print(_table(rows))
    return out


def statistics(events: Events) -> dict[str, str]:
    """Return the statistics of a data set, in words for a table."""
    counts = np.diff(events.offsets)
    seconds = events.times[events.offsets[1:] - 1]  # sorted: the last spike of each recording
    # A recording may be a single spike at 0
    rates = counts / np.maximum(seconds, 0.001) / events.channels
    speakers = "not known" if events.speakers is None else f"{len(np.unique(events.speakers)):,}"

    def spread(values: np.ndarray, form: str) -> str:
        mean, low, high = (format(x, form) for x in (values.mean(), values.min(), values.max()))
        return f"{mean} ({low} to {high})"

    return {
        "recordings": f"{len(events):,}",
        "speakers": speakers,
        "classes": f"{len(np.unique(events.labels))}",
        "seconds to the last spike": spread(seconds, ".2f"),
        "spikes a recording": spread(counts, ",.0f"),
        "spikes a second and channel": spread(rates, ".3g"),
    }


_SHD = {
    "recordings": "8,156 train, 2,264 test",
    "speakers": "12, 2 of them only in test",
    "classes": "20",
    "seconds to the last spike": "0.24 to 1.17 (sound)",
}


def _table(rows: dict[str, dict[str, str]]) -> Table:
    table = Table(
        title="spoken digits, generated, not SHD", caption="means, and smallest to largest"
    )
    for name in ("", *rows, "SHD, published"):
        table.add_column(name)
    for line in rows["train"]:
        table.add_row(
            line, *(row[line] for row in rows.values()), _SHD.get(line, "not published here")
        )
    return table


def _sizes(size: int | tuple[int, int, int]) -> tuple[int, int, int]:
    if isinstance(size, int):
        least = len(SPLITS) * len(CLASSES)
        most = _MOST // 12 * 17  # 12 in seventeen are for training
        if not least <= size <= most:
            raise SnnlabError(
                f"size is {size:,}; {least} recordings in all ({len(CLASSES)} for each of "
                f"{', '.join(SPLITS)}) to {most:,} was expected. Choose a number in between."
            )
        valid, test = (max(size * part // 17, len(CLASSES)) for part in (2, 3))
        size = (size - valid - test, valid, test)
    for split, n in zip(SPLITS, size, strict=True):
        if not len(CLASSES) <= n <= _MOST:
            raise SnnlabError(
                f"size of {split} is {n}; {len(CLASSES)} (each word once) to {_MOST:,} was "
                "expected. Choose a number in between."
            )
    return size


def _meta(sizes: dict[str, int], seed: int) -> dict[str, str]:
    return {
        "note": NOTE,
        "seed": str(seed),
        "size": " ".join(map(str, sizes.values())),
        "made with": ", ".join(
            [f"snnlab {__version__}", *(f"{name} {version(name)}" for name in _MAKERS)]
        ),
        "licence": "CC-BY-4.0",
    }
