"""The data sets that come with snnlab, an entry each.

Sizes and counts are those published; a number that was found nowhere is left out. The archives of
the first sets are those of tonic's classes, with their addresses and MD5 sums.
"""

from __future__ import annotations

from pathlib import Path

from snnlab.data.datasets import instructions
from snnlab.data.entry import Archive, DatasetEntry

WORDS = (  # of the Google Speech Commands, version 0.02
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one "
    "right seven sheila six stop three tree two up visual wow yes zero"
).split()


def published_name(folder: Path, name: str, own: str) -> str:
    """How a run names its data: as a published set only where it lies in the folder of that set.

    Args:
        folder: where the data lie.
        name: what they would be called.
        own: what they are called instead where `name` is that of a set with another folder.
    """
    return own if name in DATASETS and folder.resolve() != DATASETS[name].folder.resolve() else name


def _heidelberg(name: str, **md5s: str) -> tuple[Archive, ...]:
    files = [f"{name}_{split}.h5" for split in md5s]
    return tuple(
        Archive(f"{file}.zip", (f"https://zenkelab.org/datasets/{file}.zip",), md5, (file,))
        for file, md5 in zip(files, md5s.values(), strict=True)
    )


_HEIDELBERG = "Cramer et al. 2022, IEEE TNNLS 33, 2744-2757"
DATASETS = {
    one.name: one
    for one in (
        DatasetEntry(
            "spoken-digits",
            "generated spoken digits through a cochlea model; ships with snnlab",
            "5 MB, in the clone",
            "100 MB",
            "CC BY 4.0",
            "this project",
            ("train.h5", "valid.h5", "test.h5"),
        ),
        DatasetEntry(
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
        DatasetEntry(
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
        DatasetEntry(
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
        DatasetEntry(
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
            by_hand=instructions.IMAGENET,
            counts=({"train": 1281167, "val": 50000},),
            classes=1000,
        ),
        DatasetEntry(
            "es-imagenet",
            "ES-ImageNet: ImageNet as events of a simulated sensor",
            "100 GB",
            "unknown",
            "that of ImageNet; its own is unknown",
            "Lin et al. 2021, Front. Neurosci. 15:726582",
            ("train", "val", "trainlabel.txt|trainlabel.csv", "vallabel.txt|vallabel.csv"),
            by_hand=instructions.ES_IMAGENET,
            counts=({"train": 1257035, "val": 49881},),
            classes=1000,
            unsure=("train",),
        ),
        DatasetEntry(
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
        DatasetEntry(
            "ucf101",
            "UCF101: films of 101 kinds of action, as pictures",
            "6.9 GB",
            "unknown",
            "its authors' terms, for research",
            "Soomro et al. 2012, arXiv:1212.0402",
            (),
            by_hand=instructions.UCF101,
            counts=({"all": 13320},),
            classes=101,
        ),
        DatasetEntry(
            "es-ucf101",
            "ES-UCF101: UCF101 as events, made of its films",
            "6.9 GB, as ucf101",
            "unknown",
            "that of UCF101",
            "Lin et al. 2022, arXiv:2203.01158; films: Soomro et al. 2012",
            (),
            by_hand=instructions.ES_UCF101,
            counts=({"all": 13320},),
            classes=101,
        ),
    )
}
