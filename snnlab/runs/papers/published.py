"""Whether a result was measured on a published data set, as far as it says itself: a stand-in is none, whatever it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snnlab._utils.files import sha256_of
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.data.entry import DatasetEntry


def why_not(name: str, source: Mapping[str, Any]) -> str:
    """In a few words, why the `data` of a `result.json` is not the published set; empty if it is.

    Asked for are, in this order: the name; where the set comes from; and that as many samples were
    used as are published. A set that `snnlab data get` fetches comes from archives with the
    published checksums; of SHD and SSC, the result's checksum is that of the files that were in
    them. Of all others, `snnlab data check` found nothing wrong. Of pipe-D, what it was pretrained
    on is asked the same.

    Args:
        name: of the set, in `snnlab.data.datasets.catalogue.DATASETS`.
        source: what the result says.
    """
    if source.get("name") != name:
        return f"on {source.get('name')}, not {name}"
    if reason := _other(DATASETS[name], source):
        return reason
    if not (before := DATASETS[name].pretrain_on):
        return ""
    reason = _other(DATASETS[before], _mapping(_mapping(source.get("pretraining")).get("pictures")))
    return f"pretrained on other data: {reason}" if reason else ""


def _other(data: DatasetEntry, source: Mapping[str, Any]) -> str:
    origin = _mapping(source.get("origin"))
    reason = _unchecked(data, origin) if data.by_hand else _unfetched(data, origin, source)
    return reason or _counted(data, origin, _mapping(source.get("samples")))


def _unfetched(data: DatasetEntry, origin: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """Of a set that a program fetches: are these the archives, and is this what was in them?"""
    archives = origin.get("archives")
    found = [_mapping(one).get("md5") for one in archives] if isinstance(archives, list) else []
    if any(archive.md5 not in found for archive in data.archives):
        return f"on files without the checksums of {data.name}; `snnlab data get {data.name}` compares them"
    if not all(part.endswith(".h5") for part in data.parts):
        # The checksum is not of what is in the files, for there are thousands
        return _unchecked(data, origin)
    files = _mapping(origin.get("files"))
    if missing := [part for part in data.parts if part not in files]:
        return f"on {missing[0]} of nobody knows where; remove it, and `snnlab data get {data.name}` fetches it"
    if source.get("sha256") != sha256_of(str(files[part]) for part in data.parts):
        return f"on other files than those that came as {data.name}"
    return ""


def _unchecked(data: DatasetEntry, origin: Mapping[str, Any]) -> str:
    """Of a set that a person fetches: was it looked into, and nothing found?"""
    if not _mapping(_mapping(origin.get("checked")).get("counts")):
        return (
            f"on files that nobody compared with {data.name}; `snnlab data check {data.name}` does"
        )
    return ""


def _counted(data: DatasetEntry, origin: Mapping[str, Any], samples: Mapping[str, Any]) -> str:
    """Were as many samples used as are published? Of a split whose number rests on memory, as many as were found by the check."""
    used = {
        name: n for name in ("train", "valid", "test") if isinstance(n := samples.get(name), int)
    }
    if len(used) < 3:
        return f"on a number of samples that is not told, of {data.name}"
    checked = _mapping(_mapping(origin.get("checked")).get("counts"))
    for counts in data.counts:
        wanted = {
            split: checked.get(split) if split in data.unsure else n for split, n in counts.items()
        }
        if any(whole == wanted for whole in _as_published(used, counts)):
            return ""
    return f"on another number of samples than {data.name} has ({', '.join(f'{n:,} {name}' for name, n in used.items())})"


def _as_published(used: Mapping[str, int], counts: Mapping[str, int]) -> list[dict[str, int]]:
    """The samples by the splits as they are published: validation is cut from training, or everything was trained on."""
    test = "val" if "val" in counts else "test"
    train, valid, tested = used["train"], used["valid"], used["test"]
    if "all" in counts:
        return [{"all": train + valid + tested}]
    if "valid" in counts:
        return [{"train": train, "valid": valid, test: tested}]
    everything = [{"train": train, test: tested}] if valid in (0, tested) else []
    return [{"train": train + valid, test: tested}, *everything]


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
