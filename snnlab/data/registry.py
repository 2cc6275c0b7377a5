"""The data sets that snnlab knows: what each is, where it comes from, what it should hold, and where it lies here.

Sizes and counts are those published; where none was found, there is none here. The archives of the
first sets are those of tonic's classes, with their addresses and MD5 sums.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.files import read_json
from snnlab.data.fetch import by_hand

# Beside a set that was downloaded: which archives it came from, and what was checked
PROVENANCE = "provenance.json"
# How the names of unfinished folders begin
UNFINISHED = (".unpacking-", ".unpacked-", ".converting")
PART = ".part"  # how the names of unfinished downloads end; beside each lies a `.part.json`

WORDS = (  # of the Google Speech Commands, version 0.02
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one "
    "right seven sheila six stop three tree two up visual wow yes zero"
).split()


@dataclass(frozen=True)
class Archive:
    """A file that is downloaded and unpacked.

    Attributes:
        file: its name in the folder of the set.
        urls: where it is fetched from, the best first; none where a person has to fetch it.
        md5: its MD5 sum.
        makes: what it unpacks to, in the folder of the set; it is moved there in this order.
    """

    file: str
    urls: tuple[str, ...]
    md5: str
    makes: tuple[str, ...]


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: of its folder, and in commands.
        title: what it is, in a line.
        download, unpacked: its size, as published, for people.
        licence, cite: as published.
        parts: files and folders that are there when it is whole, or `one|another`; of those without
            any, clips are counted.
        archives: what they come from.
        by_hand: what a person has to do, step by step, where a program may not or cannot; {folder}
            is the set's.
        counts: samples of each split; several where sources differ, the most quoted first. "all"
            where there is no split.
        classes: how many.
        unsure: splits whose count rests on memory; another number is then no error.
    """

    name: str
    title: str
    download: str
    unpacked: str
    licence: str
    cite: str
    parts: tuple[str, ...]
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    counts: tuple[dict[str, int], ...] = ()
    classes: int = 0
    unsure: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it lies, or would."""
        from snnlab.data.datasets.shipped import (
            data_folder,  # here: the command line asks for the names alone, and quickly
        )

        return data_folder() / self.name

    def missing(self, folder: Path) -> list[str]:
        """The parts that a folder lacks, each as `parts` has it."""

        def there(part: str) -> bool:
            return any(os.path.exists(folder / name) for name in part.split("|"))

        return [part for part in self.parts if not there(part)]

    def state(self) -> tuple[bool, str]:
        """Whether it is whole, as far as names tell, and that in words. No file of data is opened."""
        if leftovers(self.folder):
            return False, "unfinished"
        missing = self.missing(self.folder)
        if not self.parts:
            found, expected = _clips(self.folder), self.counts[0]["all"]
            if 0 < found < expected:
                return False, f"incomplete: {found:,} of {expected:,} clips"
            missing = [] if found else [self.name]
        if not missing:
            return True, "complete, checked" if "checked" in provenance(self.folder) else "complete"
        if len(missing) == max(1, len(self.parts)):
            return (
                False,
                "absent" if self.by_hand or self.archives else "ships; unpacked on first use",
            )
        return False, f"incomplete: no {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}"


def name_of_data(folder: Path, name: str, own: str) -> str:
    """How a run names its data: as a published set only where it lies in the folder of that set.

    Args:
        folder: where the data lie.
        name: what they would be called.
        own: what they are called instead where `name` is that of a set with another folder.
    """
    return own if name in SETS and folder.resolve() != SETS[name].folder.resolve() else name


def leftovers(folder: Path) -> list[Path]:
    """What unfinished downloads and unpackings left in the folder of a set. Without it, they begin anew."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith((PART, f"{PART}.json")) or path.name.startswith(UNFINISHED)
    )


def provenance(folder: Path) -> dict[str, Any]:
    """What `snnlab data get` and `check` wrote beside a set; empty if nothing, or nothing that can be read."""
    try:
        found = read_json(folder / PROVENANCE, "")
    except SnnlabError:
        return {}
    kinds = {"archives": list, "files": dict, "checked": dict}
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name, kind()), kind) for name, kind in kinds.items()
    ):
        return {}
    return found


def _clips(folder: Path) -> int:
    """How many clips of UCF101 there are, by their names, in a folder and the folders in it."""
    if not folder.is_dir():
        return 0
    found = list(folder.iterdir())
    inner = [path for path in found if not path.name.startswith("v_") and path.is_dir()]
    return sum(
        name.startswith("v_")
        for name in [*(p.name for p in found), *(n for p in inner for n in os.listdir(p))]
    )


def _heidelberg(name: str, **md5s: str) -> tuple[Archive, ...]:
    files = [f"{name}_{split}.h5" for split in md5s]
    return tuple(
        Archive(f"{file}.zip", (f"https://zenkelab.org/datasets/{file}.zip",), md5, (file,))
        for file, md5 in zip(files, md5s.values(), strict=True)
    )


_HEIDELBERG = "Cramer et al. 2022, IEEE TNNLS 33, 2744-2757"
SETS = {
    one.name: one
    for one in (
        DataSet(
            "spoken-digits",
            "generated spoken digits through a cochlea model; ships with snnlab",
            "5 MB, in the clone",
            "100 MB",
            "CC BY 4.0",
            "this project",
            ("train.h5", "valid.h5", "test.h5"),
        ),
        DataSet(
            "shd",
            "Spiking Heidelberg Digits: spoken digits, English and German",
            "unknown",
            "unknown",
            "CC BY 4.0",
            _HEIDELBERG,
            ("shd_train.h5", "shd_test.h5"),
            archives=_heidelberg(
                "shd",
                train="f3252aeb598ac776c1b526422d90eecb",
                test="1503a5064faa34311c398fb0a1ed0a6f",
            ),
            counts=({"train": 8156, "test": 2264}, {"train": 8332, "test": 2088}),
            classes=20,
        ),
        DataSet(
            "ssc",
            "Spiking Speech Commands: 35 words",
            "unknown",
            "unknown",
            "CC BY 4.0",
            _HEIDELBERG,
            ("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5"),
            archives=_heidelberg(
                "ssc",
                train="d102be95e7144fcc0553d1f45ba94170",
                valid="b4eee3516a4a90dd0c71a6ac23a8ae43",
                test="a35ff1e9cffdd02a20eb850c17c37748",
            ),
            counts=({"train": 75466, "valid": 9981, "test": 20382},),
            classes=35,
        ),
        DataSet(
            "gsc",
            "Google Speech Commands 0.02: 35 words, one second each, as sound",
            "2.4 GB",
            "unknown",
            "CC BY 4.0",
            "Warden 2018, arXiv:1804.03209",
            (*WORDS, "_background_noise_", "validation_list.txt", "testing_list.txt"),
            archives=(
                Archive(
                    "speech_commands_v0.02.tar.gz",
                    (
                        "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                    ),
                    "6b74f3901214cb2c2934e98196829835",
                    # the lists go last: without them no reader takes the folder for whole
                    (*WORDS, "_background_noise_", "validation_list.txt", "testing_list.txt"),
                ),
            ),
            counts=({"train": 84843, "valid": 9981, "test": 11005},),
            classes=35,
        ),
        DataSet(
            "imagenet",
            "ImageNet-1K: photographs of 1,000 kinds of things",
            "145 GB",
            "145 GB",
            "research only, on request",
            "Russakovsky et al. 2015, IJCV 115, 211-252",
            ("train", "val"),
            archives=(
                Archive(
                    "ILSVRC2012_img_train.tar", (), "1d675b47d978889d74fa0da5fadfb00e", ("train",)
                ),
                Archive("ILSVRC2012_img_val.tar", (), "29b22e2961454d5413ddabcf34fc5622", ("val",)),
                Archive("ILSVRC2012_devkit_t12.tar.gz", (), "fa75699e90414af021442c21a62c3abf", ()),
            ),
            by_hand=by_hand.IMAGENET,
            counts=({"train": 1281167, "val": 50000},),
            classes=1000,
        ),
        DataSet(
            "es-imagenet",
            "ES-ImageNet: ImageNet as events of a simulated sensor",
            "100 GB",
            "unknown",
            "that of ImageNet; its own is unknown",
            "Lin et al. 2021, Front. Neurosci. 15:726582",
            ("train", "val", "trainlabel.txt|trainlabel.csv", "vallabel.txt|vallabel.csv"),
            by_hand=by_hand.ES_IMAGENET,
            counts=({"train": 1257035, "val": 49881},),
            classes=1000,
            unsure=("train",),
        ),
        DataSet(
            "cifar10-dvs",
            "CIFAR10-DVS: pictures of CIFAR-10 before an event camera",
            "unknown",
            "unknown",
            "stated on figshare",
            "Li et al. 2017, Front. Neurosci. 11:309",
            ("train", "test"),
            archives=(
                Archive(
                    "CIFAR10DVS.zip",
                    (  # of one file; the second, which tonic has, may want a browser
                        "https://ndownloader.figshare.com/files/38023437",
                        "https://figshare.com/ndownloader/files/38023437",
                    ),
                    "ce3a4a0682dc0943703bd8f749a7701c",
                    ("recordings",),
                ),
            ),
            counts=({"train": 9000, "test": 1000},),
            classes=10,
        ),
        DataSet(
            "ucf101",
            "UCF101: films of 101 kinds of action, as pictures",
            "6.9 GB",
            "unknown",
            "its authors' terms, for research",
            "Soomro et al. 2012, arXiv:1212.0402",
            (),
            by_hand=by_hand.UCF101,
            counts=({"all": 13320},),
            classes=101,
        ),
        DataSet(
            "es-ucf101",
            "ES-UCF101: UCF101 as events, made of its films",
            "6.9 GB, as ucf101",
            "unknown",
            "that of UCF101",
            "Lin et al. 2022, arXiv:2203.01158; films: Soomro et al. 2012",
            (),
            by_hand=by_hand.ES_UCF101,
            counts=({"all": 13320},),
            classes=101,
        ),
    )
}
