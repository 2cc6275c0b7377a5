"""What the results on the published sets say of their data."""

import copy
import hashlib

from snnlab.data.datasets.catalogue import DATASETS


def checked(**counts):
    return {"checked": {"date": "2026-01-01", "thorough": False, "counts": counts}}


def archives(name):
    return {"archives": [{"file": one.file, "md5": one.md5} for one in DATASETS[name].archives]}


def heidelberg(name, train, valid, test, total):
    splits = ["train", "valid", "test"] if name == "ssc" else ["train", "test"]
    files = {f"{name}_{split}.h5": hashlib.sha256(split.encode()).hexdigest() for split in splits}
    return {
        "name": name,
        "sha256": hashlib.sha256("".join(files.values()).encode()).hexdigest(),
        "samples": {"train": train, "valid": valid, "test": test},
        "origin": {**archives(name), "files": files},
    }


def pictures(train=1255544, valid=25623):
    return {
        "name": "pictures",
        "samples": {"train": train, "valid": valid, "test": 50000},
        "origin": checked(train=1281167, val=50000),
    }


def genuine(name):
    """The `data` of a result on a set, as the readers write it."""
    sources = {
        "shd": heidelberg("shd", 6500, 1656, 2264, 8156),
        "ssc": heidelberg("ssc", 75466, 9981, 20382, None),
        "gsc": {
            "name": "gsc",
            "samples": {"train": 84843, "valid": 9981, "test": 11005},
            "origin": {**archives("gsc"), **checked(train=84843, valid=9981, test=11005)},
        },
        "imagenet": pictures() | {"name": "imagenet"},
        "es-imagenet": {
            "name": "es-imagenet",
            "samples": {"train": 1231894, "valid": 25141, "test": 49881},
            "origin": checked(train=1257035, val=49881),
            "pretraining": {"pictures": pictures(), "edges": {}},
        },
        "cifar10-dvs": {
            "name": "cifar10-dvs",
            "samples": {"train": 8100, "valid": 900, "test": 1000},
            "origin": {**archives("cifar10-dvs"), **checked(train=9000, test=1000)},
            "pretraining": {"pictures": pictures(), "edges": {}},
        },
        "es-ucf101": {
            "name": "es-ucf101",
            "samples": {"train": 9000, "valid": 1000, "test": 3320},
            "origin": checked(all=13320),
            "pretraining": {
                "pictures": {
                    "samples": {"train": 9000, "valid": 1000, "test": 3320},
                    "origin": checked(all=13320),
                }
            },
        },
    }
    return copy.deepcopy(sources[name])
