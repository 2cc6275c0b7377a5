"""Decide from a result's provenance whether its data is the published data set."""

from collections.abc import Mapping
from typing import Any

from snnlab._utils.files import sha256_of
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.entry import DatasetEntry


def data_mismatch(name: str, source: Mapping[str, Any]) -> str:
    """Return in a few words why the data of a result is not the published set; "" if it is.

    The name has to be right, the origin, and the numbers of samples. A set that `snnlab data get`
    fetches has to come from archives with the published checksums; for SHD and SSC, the result's
    checksum is that of the files in them. In all other sets, `snnlab data check` has to have found
    nothing wrong. The data that pipe-D was pretrained on has to meet the same conditions.

    Args:
        name: of the set, in `snnlab.data.datasets.catalogue.DATASETS`.
        source: `data` in `result.json`.
    """
    if source.get("name") != name:
        return f"on {source.get('name')}, not {name}"
    if reason := _mismatch(DATASETS[name], source):
        return reason
    if not (pretrained_on := DATASETS[name].pretrain_on):
        return ""
    reason = _mismatch(DATASETS[pretrained_on], _get(source, "pretraining", "pictures"))
    return f"pretrained on other data: {reason}" if reason else ""


def _mismatch(data: DatasetEntry, source: Mapping[str, Any]) -> str:
    check = _check_mismatch if data.by_hand else _archive_mismatch
    return check(data, source) or _count_mismatch(data, source)


def _archive_mismatch(data: DatasetEntry, source: Mapping[str, Any]) -> str:
    """Compare the checksums of a set that snnlab fetches."""
    origin = _get(source, "origin")
    archives = origin.get("archives")
    checksums = [_get(one).get("md5") for one in archives] if isinstance(archives, list) else []
    if any(archive.md5 not in checksums for archive in data.archives):
        return (
            f"on files without the checksums of {data.name}; `snnlab data get {data.name}` "
            "compares them"
        )
    if not all(part.endswith(".h5") for part in data.parts):
        # there are thousands of files, and the result's checksum is not of their content
        return _check_mismatch(data, source)
    files = _get(origin, "files")
    if missing := [part for part in data.parts if part not in files]:
        return (
            f"on {missing[0]} of unknown origin; remove it, and `snnlab data get {data.name}` "
            "fetches it"
        )
    if source.get("sha256") != sha256_of(str(files[part]) for part in data.parts):
        return f"on other files than those that came as {data.name}"
    return ""


def _check_mismatch(data: DatasetEntry, source: Mapping[str, Any]) -> str:
    """Require that `snnlab data check` found nothing wrong."""
    if _get(source, "origin", "checked", "counts"):
        return ""
    return f"on files that nobody compared with {data.name}; `snnlab data check {data.name}` does"


def _count_mismatch(data: DatasetEntry, source: Mapping[str, Any]) -> str:
    """Compare the numbers of samples with the published ones.

    Where a published number is not sure, that of `snnlab data check` is taken.
    """
    samples = _get(source, "samples")
    used = {
        split: n for split in ("train", "valid", "test") if isinstance(n := samples.get(split), int)
    }
    if len(used) < 3:
        return f"on an unknown number of samples of {data.name}"
    checked = _get(source, "origin", "checked", "counts")
    for counts in data.counts:
        expected = {
            split: checked.get(split) if split in data.unsure else n for split, n in counts.items()
        }
        if expected in _as_published(used, counts):
            return ""
    numbers = ", ".join(f"{n:,} {split}" for split, n in used.items())
    return f"on another number of samples than {data.name} has ({numbers})"


def _as_published(used: Mapping[str, int], counts: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the numbers of samples in the published splits.

    Validation data may have been cut from training data, or not used at all.
    """
    test = "val" if "val" in counts else "test"
    train, valid, tested = used["train"], used["valid"], used["test"]
    if "all" in counts:
        return [{"all": train + valid + tested}]
    if "valid" in counts:
        return [{"train": train, "valid": valid, test: tested}]
    everything = [{"train": train, test: tested}] if valid in (0, tested) else []
    return [{"train": train + valid, test: tested}, *everything]


def _get(content: Any, *names: str) -> Mapping[str, Any]:
    """Return the mapping under names inside each other; empty where there is none."""
    for name in names:
        content = content.get(name) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}
