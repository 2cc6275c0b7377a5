"""The data sets that come with snnlab, an entry each.

Sizes and counts are those published; a number that was found nowhere is left out. The archives of
the first sets are those of tonic's classes, with their addresses and MD5 sums.
"""

from pathlib import Path
from typing import Any

from snnlab.data.datasets import instructions
from snnlab.data.datasets.camera_entries import CAMERAS
from snnlab.data.entry import Archive, DatasetEntry

WORDS = (  # of the Google Speech Commands, version 0.02
    "backward bed bird cat dog down eight five follow forward four go happy house learn left "
    "marvin nine no off on one right seven sheila six stop three tree two up visual wow yes zero"
).split()


COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")


def published_name(folder: Path, name: str, own: str) -> str:
    """Return the name of a run's data: that of a published set only in the folder of that set.

    Args:
        folder: where the data lie.
        name: what they would be called.
        own: what they are called instead where `name` is that of a set with another folder.
    """
    return own if name in DATASETS and folder.resolve() != DATASETS[name].folder.resolve() else name


def described(name: str, folder: Path) -> dict[str, str]:
    """Return name, note and path of a folder of files, as `DataSplits` has them."""
    kind = "events" if DATASETS[name].kind == "events" else "pictures"
    return {
        "name": published_name(folder, name, kind),
        "note": f"{kind} in the layout of {name}",
        "path": str(folder),
    }


def _heidelberg(name: str, title: str, **more: Any) -> DatasetEntry:
    """Make the entry of SHD or SSC; `md5s` has the sum of the archive of each split."""
    md5s: dict[str, str] = more.pop("md5s")
    files = {split: f"{name}_{split}.h5" for split in md5s}
    archives = (
        Archive(f"{file}.zip", (f"https://zenkelab.org/datasets/{file}.zip",), md5s[split], (file,))
        for split, file in files.items()
    )
    return DatasetEntry(
        name,
        "recordings",
        title,
        **_SPIKES,
        licence="CC BY 4.0",
        cite="Cramer et al. 2022, IEEE TNNLS 33, 2744-2757",
        parts=tuple(files.values()),
        archives=tuple(archives),
        check="snnlab.data.fetch.check:check_spikes",
        **more,
    )


_SPIKES: dict[str, Any] = dict(
    load="snnlab.data.datasets.shd:load",
    settings=("dt_ms", "n_in", "binning", "fold", "folds", "seed", "limit", "hold_out"),
    verify="snnlab.data.datasets.shd_files:verify",
)
_GOOGLE = "https://storage.googleapis.com/download.tensorflow.org/data"
_IMAGENET_ARCHIVES = "snnlab.data.fetch.imagenet_archives"
_TEST_PARTS = (*COMMANDS, "_unknown_", "_silence_")
# the lists go last: without them no reader takes the folder for whole
_SPEECH_PARTS = (*WORDS, "_background_noise_", "validation_list.txt", "testing_list.txt")

DATASETS: dict[str, DatasetEntry] = {
    entry.name: entry
    for entry in (
        DatasetEntry(
            "digits",
            "pictures",
            "handwritten digits of scikit-learn, placed at random under noise",
            load="snnlab.data.datasets.digits:load",
            settings=("samples", "size", "noise"),
            download="comes with scikit-learn",
            unpacked="nothing on disk",
            licence="CC BY 4.0",
            cite="Alpaydin and Kaynak 1998, UCI",
        ),
        DatasetEntry(
            "digit-events",
            "events",
            "the same digits as events, made by ODG",
            load="snnlab.data.datasets.digit_events:load",
            settings=("pictures", "labelled", "seed"),
            download="comes with scikit-learn",
            unpacked="nothing on disk",
            licence="CC BY 4.0",
            cite="Alpaydin and Kaynak 1998, UCI",
        ),
        DatasetEntry(
            "moving-shapes",
            "events",
            "films of a shape that moves, turns or grows, as events; the class is the motion",
            load="snnlab.data.datasets.moving_shapes:load",
            settings=("films", "dark", "seed"),
            download="nothing",
            unpacked="nothing on disk",
            licence="CC0",
            cite="this project",
        ),
        DatasetEntry(
            "spoken-digits",
            "recordings",
            "generated spoken digits through a cochlea model; ships with snnlab",
            **_SPIKES,
            download="5 MB, with snnlab",
            unpacked="100 MB",
            licence="CC BY 4.0",
            cite="this project",
            parts=("train.h5", "valid.h5", "test.h5"),
        ),
        _heidelberg(
            "shd",
            "Spiking Heidelberg Digits: spoken digits, English and German",
            md5s=dict(
                train="f3252aeb598ac776c1b526422d90eecb",
                test="1503a5064faa34311c398fb0a1ed0a6f",
            ),
            counts=({"train": 8156, "test": 2264}, {"train": 8332, "test": 2088}),
            classes=20,
        ),
        _heidelberg(
            "ssc",
            "Spiking Speech Commands: 35 words",
            md5s=dict(
                train="d102be95e7144fcc0553d1f45ba94170",
                valid="b4eee3516a4a90dd0c71a6ac23a8ae43",
                test="a35ff1e9cffdd02a20eb850c17c37748",
            ),
            counts=({"train": 75466, "valid": 9981, "test": 20382},),
            classes=35,
        ),
        DatasetEntry(
            "gsc",
            "recordings",
            "Google Speech Commands 0.02: 35 words, one second each, as sound",
            load="snnlab.data.datasets.gsc:load",
            settings=("features", "fold", "folds", "limit", "seed", "workers"),
            features=("paper", "sane"),
            download="2.4 GB",
            licence="CC BY 4.0",
            cite="Warden 2018, arXiv:1804.03209",
            parts=_SPEECH_PARTS,
            archives=(
                Archive(
                    "speech_commands_v0.02.tar.gz",
                    (f"{_GOOGLE}/speech_commands_v0.02.tar.gz",),
                    "6b74f3901214cb2c2934e98196829835",
                    _SPEECH_PARTS,
                ),
            ),
            counts=({"train": 84843, "valid": 9981, "test": 11005},),
            classes=35,
            verify="snnlab.data.datasets.gsc_folder:verify",
            check="snnlab.data.fetch.check_commands:check_speech",
        ),
        DatasetEntry(
            "speech-commands-test",
            "recordings",
            "Google Speech Commands 0.02, test archive: ten words by 239 people, in folds",
            load="snnlab.data.datasets.spoken_commands:load",
            settings=(
                *("fold", "folds", "features", "dt_ms", "n_in", "binning"),
                *("limit", "seed", "hold_out", "workers"),
            ),
            features=("spikes", "paper", "sane"),
            download="112 MB",
            unpacked="150 MB",
            licence="CC BY 4.0",
            cite="Warden 2018, arXiv:1804.03209",
            parts=_TEST_PARTS,
            archives=(
                Archive(
                    "speech_commands_test_set_v0.02.tar.gz",
                    (
                        f"{_GOOGLE}/speech_commands_test_set_v0.02.tar.gz",
                        "http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz",
                    ),
                    "e180b8ba081453722034bf34b6657157",
                    _TEST_PARTS,
                ),
            ),
            counts=({"words": 4074, "unknown": 408, "silence": 408},),
            classes=10,
            verify="snnlab.data.datasets.spoken_commands_folder:verify",
            check="snnlab.data.fetch.check_commands:check_spoken_commands",
        ),
        DatasetEntry(
            "imagenet",
            "pictures",
            "ImageNet-1K: photographs of 1,000 kinds of things",
            load="snnlab.data.datasets.imagenet:pictures",
            settings=("size", "loaders"),
            download="145 GB",
            unpacked="145 GB",
            licence="research only, on request",
            cite="Russakovsky et al. 2015, IJCV 115, 211-252",
            parts=("train|train-*.tar", "val|val-*.tar"),
            archives=(
                Archive(
                    "ILSVRC2012_img_train.tar",
                    (),
                    "1d675b47d978889d74fa0da5fadfb00e",
                    ("train",),
                    extract=f"{_IMAGENET_ARCHIVES}:extract_train",
                ),
                Archive(
                    "ILSVRC2012_img_val.tar",
                    (),
                    "29b22e2961454d5413ddabcf34fc5622",
                    ("val",),
                    extract=f"{_IMAGENET_ARCHIVES}:extract_val",
                ),
                Archive("ILSVRC2012_devkit_t12.tar.gz", (), "fa75699e90414af021442c21a62c3abf", ()),
            ),
            by_hand=instructions.IMAGENET,
            counts=({"train": 1281167, "val": 50000},),
            classes=1000,
            verify="snnlab.data.datasets.imagenet:verify",
            check="snnlab.data.fetch.check:check_imagenet",
        ),
        DatasetEntry(
            "es-imagenet",
            "events",
            "ES-ImageNet: ImageNet as events of a simulated sensor",
            load="snnlab.data.datasets.es_imagenet:events",
            edges="snnlab.data.datasets.es_imagenet:edges",
            pretrain_on="imagenet",
            settings=("loaders",),
            download="100 GB",
            licence="that of ImageNet; its own is unknown",
            cite="Lin et al. 2021, Front. Neurosci. 15:726582",
            parts=("train", "val", "trainlabel.txt|trainlabel.csv", "vallabel.txt|vallabel.csv"),
            by_hand=instructions.ES_IMAGENET,
            counts=({"train": 1257035, "val": 49881},),
            classes=1000,
            unsure=("train",),
            check="snnlab.data.fetch.check:check_es_imagenet",
        ),
        DatasetEntry(
            "cifar10-dvs",
            "events",
            "CIFAR10-DVS: pictures of CIFAR-10 before an event camera",
            load="snnlab.data.datasets.cifar10_dvs:events",
            edges="snnlab.data.datasets.cifar10_dvs:edges",
            pretrain_on="imagenet",
            settings=("size", "loaders"),
            licence="stated on figshare",
            cite="Li et al. 2017, Front. Neurosci. 11:309",
            parts=("train", "test"),
            archives=(
                Archive(
                    "CIFAR10DVS.zip",
                    (  # of one file; the second, which tonic has, may want a browser
                        "https://ndownloader.figshare.com/files/38023437",
                        "https://figshare.com/ndownloader/files/38023437",
                    ),
                    "ce3a4a0682dc0943703bd8f749a7701c",
                    ("recordings",),
                    extract="snnlab.data.fetch.obtain:extract_recordings",
                ),
            ),
            counts=({"train": 9000, "test": 1000},),
            classes=10,
            verify="snnlab.data.datasets.cifar10_dvs:verify",
            check="snnlab.data.fetch.check:check_cifar10_dvs",
        ),
        *CAMERAS,
        DatasetEntry(
            "ucf101",
            "films",
            "UCF101: films of 101 kinds of action, as pictures",
            load="snnlab.data.datasets.es_ucf101:frames",
            settings=("loaders",),
            download="6.9 GB",
            licence="its authors' terms, for research",
            cite="Soomro et al. 2012, arXiv:1212.0402",
            parts=("v_*|*/v_*|*/*/v_*",),
            by_hand=instructions.UCF101,
            counts=({"all": 13320},),
            classes=101,
            check="snnlab.data.fetch.check:check_clips",
        ),
        DatasetEntry(
            "es-ucf101",
            "events",
            "ES-UCF101: UCF101 as events, made of its films",
            load="snnlab.data.datasets.es_ucf101:events",
            edges="snnlab.data.datasets.es_ucf101:edges",
            pretrain_on="ucf101",
            settings=("loaders",),
            download="6.9 GB, as ucf101",
            licence="that of UCF101",
            cite="Lin et al. 2022, arXiv:2203.01158; films: Soomro et al. 2012",
            parts=("v_*|*/v_*|*/*/v_*",),
            by_hand=instructions.ES_UCF101,
            counts=({"all": 13320},),
            classes=101,
            check="snnlab.data.fetch.check:check_clips",
        ),
    )
}

# What files of one's own may look like, beside the layouts of the sets
OWN = (
    DatasetEntry(
        "recordings",
        "recordings",
        "recordings of one's own: train and test, or all, as .h5 or .npz",
        parts=("train.h5|all.h5|train.npz|all.npz",),
        count_channels="snnlab.data.datasets.shd_files:channels_of",
        **_SPIKES,
    ),
    DatasetEntry(
        "event-recordings",
        "events",
        "recordings of event cameras of one's own: a folder a class",
        load="snnlab.data.datasets.own_events:load",
        edges="snnlab.data.datasets.own_events:edges",
        pretrain_on="digits",
        settings=("steps", "size", "fold", "folds", "seed", "denoise_ms"),
        parts=("*/*.npy|*/*.bin|*/*.aedat4|*/*/*.npy|*/*/*.bin|*/*/*.aedat4",),
        verify="snnlab.data.datasets.own_events:verify",
    ),
)
