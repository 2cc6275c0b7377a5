"""The entries of MNIST and of the recordings of event cameras, which tonic reads.

Addresses and MD5 sums are those of tonic's classes, and of torchvision for MNIST.
"""

from typing import Any

from snnlab.data.datasets import instructions
from snnlab.data.entry import Archive, DatasetEntry

_CAMERA_SETTINGS = ("steps", "fold", "folds", "labelled", "seed", "denoise_ms")
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_GOOGLE_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist"
_MENDELEY = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files"


def _camera(name: str, title: str, **more: Any) -> DatasetEntry:
    """Make the entry of recordings that `snnlab.data.datasets.event_camera` reads."""
    more.setdefault("settings", (*_CAMERA_SETTINGS, "size"))
    return DatasetEntry(
        name,
        "events",
        title,
        load=f"snnlab.data.datasets.event_camera:{name.replace('-', '_')}",
        check="snnlab.data.fetch.check_cameras:check_recordings",
        **more,
    )


CAMERAS = (
    DatasetEntry(
        "mnist",
        "pictures",
        "MNIST: handwritten digits; without the pictures that n-mnist is tested on",
        load="snnlab.data.datasets.mnist:pictures",
        edges="snnlab.data.datasets.mnist:edges",
        settings=("size", "pictures", "seed"),
        download="12 MB",
        unpacked="55 MB",
        licence="CC BY-SA 3.0",
        cite="LeCun et al. 1998, Proc. IEEE 86, 2278-2324",
        parts=("t10k-images*", "t10k-labels*"),
        archives=tuple(
            Archive(
                f"{file}.gz",
                (f"{_MNIST}/{file}.gz", f"{_GOOGLE_MNIST}/{file}.gz"),
                md5,
                (file,),
                extract="snnlab.data.fetch.unpack:extract_gzip",
            )
            for file, md5 in (
                ("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                ("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432"),
                ("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3"),
                ("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c"),
            )
        ),
        counts=({"train": 60000, "test": 10000}, {"train": 0, "test": 10000}),
        classes=10,
        check="snnlab.data.fetch.check_cameras:check_mnist",
    ),
    _camera(
        "n-mnist",
        "N-MNIST: pictures of MNIST before an event camera that moves",
        pretrain_on="mnist",
        settings=_CAMERA_SETTINGS,
        download="1.2 GB",
        unpacked="1.4 GB",
        licence="CC BY-SA 4.0",
        cite="Orchard et al. 2015, Front. Neurosci. 9:437",
        parts=("Train/*/*.bin|Test/*/*.bin",),
        archives=(
            Archive(
                "train.zip",
                (f"{_MENDELEY}/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",),
                "20959b8e626244a1b502305a9e6e2031",
                ("Train",),
            ),
            Archive(
                "test.zip",
                (f"{_MENDELEY}/05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",),
                "69ca8762b2fe404d9b9bad1103e97832",
                ("Test",),
            ),
        ),
        counts=({"train": 60000, "test": 10000}, {"train": 0, "test": 10000}),
        classes=10,
    ),
    _camera(
        "dvs-gesture",
        "DVS Gesture: eleven gestures of 29 people before an event camera",
        licence="CC BY 4.0",
        cite="Amir et al. 2017, CVPR, 7243-7252",
        parts=("ibmGestureTrain", "ibmGestureTest"),
        archives=tuple(
            Archive(
                f"{part}.tar.gz",
                (f"https://figshare.com/ndownloader/files/{number}",),
                md5,
                (part,),
            )
            for part, number, md5 in (
                ("ibmGestureTrain", 38022171, "3a8f0d4120a166bac7591f77409cb105"),
                ("ibmGestureTest", 38020584, "56070e45dadaa85fff82e0fbfbc06de5"),
            )
        ),
        counts=({"train": 1077, "test": 264},),
        classes=11,
        unsure=("train", "test"),
    ),
    _camera(
        "n-caltech101",
        "N-Caltech101: pictures of 101 kinds of objects before an event camera that moves",
        licence="stated on its page",
        cite="Orchard et al. 2015, Front. Neurosci. 9:437",
        parts=("Caltech101",),
        by_hand=instructions.N_CALTECH101,
        counts=({"recordings": 8709},),
        classes=101,
    ),
    _camera(
        "poker-dvs",
        "POKER-DVS: the pips of poker cards before an event camera",
        cite="Serrano-Gotarredona and Linares-Barranco 2015, Front. Neurosci. 9:481",
        parts=("pips_train", "pips_test"),
        by_hand=instructions.POKER_DVS,
        counts=({"train": 48, "test": 20},),
        classes=4,
        unsure=("train", "test"),
    ),
    _camera(
        "cifar10-dvs-recordings",
        "CIFAR10-DVS as its recordings, which cifar10-dvs has as counts",
        licence="stated on figshare",
        cite="Li et al. 2017, Front. Neurosci. 11:309",
        parts=("airplane/*.aedat4", "truck/*.aedat4"),
        by_hand=instructions.CIFAR10_DVS_RECORDINGS,
        counts=({"recordings": 10000},),
        classes=10,
    ),
)
