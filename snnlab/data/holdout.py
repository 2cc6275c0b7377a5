"""Division of recordings into training, validation and test, by speaker wherever possible."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import whole_number

SHARE = 0.15  # of the training recordings, held out for validation
OWN_FOLDS = 5  # of recordings that come without a split


def hold_out_speakers(labels: np.ndarray, speakers: np.ndarray) -> np.ndarray | None:
    """Choose whole speakers, close to 15 % of every class; each class stays in training.

    The choice is greedy and deterministic: the next speaker is the one that brings the classes'
    counts nearest to 15 %.

    Args:
        labels: (n,) int64.
        speakers: (n,) int64.

    Returns:
        (n,) bool, True where held out; None when no speaker can be spared.
    """
    _, speaker = np.unique(speakers, return_inverse=True)
    _, label = np.unique(labels, return_inverse=True)
    # Recordings by speaker and class
    table = np.zeros((speaker.max() + 1, label.max() + 1), dtype=np.int64)
    np.add.at(table, (speaker, label), 1)
    target, all_of = SHARE * table.sum(0), table.sum(0)
    held, chosen = np.zeros_like(all_of), np.zeros(len(table), dtype=bool)
    while True:
        distance = np.abs(held + table - target).sum(1)
        distance[chosen | (held + table >= all_of).any(1)] = np.inf
        best = int(distance.argmin())
        if not np.isfinite(distance[best]) or (
            chosen.any() and distance[best] > np.abs(held - target).sum()
        ):
            return chosen[speaker] if chosen.any() else None
        chosen[best] = True
        held = held + table[best]


def hold_out_recordings(labels: np.ndarray, share: float = SHARE) -> np.ndarray:
    """Choose a share of every class of two or more recordings, at least one; return (n,) bool."""
    size = np.bincount(labels)[labels]
    wanted = np.where(size > 1, np.maximum(1, np.round(share * size)), 0)
    return _rank_in_class(labels, seed=0) < wanted


def choose_validation(
    labels: np.ndarray, speakers: np.ndarray | None, where: object, cure: str = "Add recordings."
) -> tuple[np.ndarray, str]:
    """Choose the recordings for validation: whole speakers if any can be spared.

    Args:
        labels: (n,) int64, of the training recordings.
        speakers: (n,) int64; None where they are not known.
        where: the file or folder, for the error.
        cure: what to do about it, for the error.

    Returns:
        (n,) bool, True where held out; and how they were chosen, in words.

    Raises:
        SnnlabError: every class has one recording.
    """
    held = None if speakers is None else hold_out_speakers(labels, speakers)
    if held is None or speakers is None:
        held = hold_out_recordings(labels)
        how = f"validation: {held.sum()} training recordings" + (
            ", drawn at random with seed 0"
            if speakers is None
            else " of the same speakers, for no speaker can be spared"
        )
    else:
        spared, everybody = len(set(speakers[held])), len(set(speakers))
        how = f"validation: {spared} of {everybody} training speakers, held out"
    if not held.any():
        raise SnnlabError(
            f"{where}: every class has one recording; at least two of some class were expected, "
            f"for validation. {cure}"
        )
    return held, how


def divide(
    labels: np.ndarray,
    speakers: np.ndarray | None,
    *,
    fold: int,
    folds: int,
    where: object,
    classes: Sequence[str] = (),
    hold_out: bool = True,
    sizes: Mapping[Any, int] | None = None,
) -> tuple[dict[str, np.ndarray], str]:
    """Divide recordings into folds, of which one is tested on and the others are trained on.

    A speaker's recordings are all in one fold, see `speaker_folds`; with as many folds as speakers
    each is left out once. Without speakers, or with one, the recordings are dealt out at random,
    with the seed 0 and equal classes.

    Args:
        labels: (n,) int64.
        speakers: (n,), numbers or names; None where they are not known.
        fold: the fold to test on.
        folds: how many, as `checked_folds` has them.
        where: the file or folder, for errors.
        classes: their names, to check that each is trained; none for no check.
        hold_out: False trains on all other folds; validation is then the test set.
        sizes: recordings by speaker that decide about the folds, where others count, too.

    Returns:
        The ascending indices of `train`, `valid` and `test`; and how they were chosen, in words.

    Raises:
        SnnlabError: the fold is empty, every class has one recording to train on, or a class is
            tested and not trained.
    """
    speakers = several(speakers)
    if speakers is None:
        tested = stratified(labels, folds) == fold
        note = f"test: fold {fold} of {folds}, drawn at random with seed 0; "
    else:
        fold_of = speaker_folds(sizes or Counter(speakers.tolist()), folds)
        tested = np.array([fold_of[speaker] == fold for speaker in speakers.tolist()])
        note = f"test: the {len(set(speakers[tested]))} speakers of fold {fold} of {folds}; "
    test, train = np.flatnonzero(tested), np.flatnonzero(~tested)
    if not len(test):
        raise SnnlabError(
            f"{where}: fold {fold} of {folds} has no recording; at least one was expected. Choose "
            "fewer folds."
        )
    valid, how = test, "no validation: all other folds are trained on"
    if hold_out:
        own = None if speakers is None else speakers[train]
        held, how = choose_validation(labels[train], own, where)
        train, valid = train[~held], train[held]
    if classes:
        names = np.array(classes)[labels]
        check_trained(names[train], names, where)
    return {"train": train, "valid": valid, "test": test}, note + how


def check_trained(trained: Iterable[str], tested: Iterable[str], where: object) -> None:
    """Refuse classes that occur in a test set and not in training.

    Args:
        trained: the classes of the training recordings.
        tested: the classes of other recordings.
        where: the file or folder of the others, for the sentence.

    Raises:
        SnnlabError: a class is tested and not trained.
    """
    if unknown := sorted(set(tested) - set(trained)):
        raise SnnlabError(
            f"{where} has recordings of "
            f"{', '.join(unknown[:5])}{' and more' if unknown[5:] else ''}; only classes that "
            "occur in training were expected. Add training recordings of them, or take these away."
        )


def several(speakers: np.ndarray | None) -> np.ndarray | None:
    """Return the speakers if they are several, by whom a set can be divided; else None."""
    return None if speakers is None or len(set(speakers.tolist())) < 2 else speakers


def most_folds(
    recordings: int, people: np.ndarray | None, who: str, where: object
) -> tuple[int, str]:
    """Return how many folds a set can have, and of what there are so many, for `checked_folds`.

    Args:
        recordings: their number.
        people: who each of them is from, (n,); None where that is not known.
        who: what a message calls these.
        where: the file or folder.
    """
    if (groups := several(people)) is None:
        return recordings, f"recordings in {where}"
    return len(set(groups.tolist())), f"{who} in {where}"


def check_hold_out(hold_out: object) -> bool:
    """Return `hold_out`; refuse anything but True and False, for a text would count as true.

    Raises:
        SnnlabError: it is neither.
    """
    if not isinstance(hold_out, bool | np.bool_):
        raise SnnlabError(
            f"hold_out = {hold_out!r}: expected True to hold recordings out for validation, or "
            "False to train on all of them."
        )
    return bool(hold_out)


def speaker_folds(clips: Mapping[Any, int], folds: int) -> dict[Any, int]:
    """Divide speakers into folds with almost equally many recordings.

    Greedy and deterministic: the speaker with the most recordings comes first, and goes to the
    fold with the fewest so far. Ties are broken by name, and by the number of the fold.

    Args:
        clips: the number of recordings of each speaker.
        folds: how many folds.

    Returns:
        The fold of each speaker, 0 to `folds - 1`.

    Example:
        >>> speaker_folds({"a": 5, "b": 3, "c": 3, "d": 1}, 2)
        {'a': 0, 'b': 1, 'c': 1, 'd': 0}
    """
    sizes, fold_of = [0] * folds, {}
    for speaker in sorted(clips, key=lambda speaker: (-clips[speaker], speaker)):
        fold = sizes.index(min(sizes))
        sizes[fold] += clips[speaker]
        fold_of[speaker] = fold
    return fold_of


def checked_folds(
    fold: int, folds: int | None, own: int, most: tuple[int, str] | None = None
) -> tuple[int, int]:
    """Return the fold and how many there are, 0 for a published split.

    Args:
        fold: the fold to test on, from 0.
        folds: how many; None or 0 for those of the set.
        own: folds of the set, or as many as there can be; 0 where its split is published.
        most: at most so many, and of what they are, where that is known.

    Raises:
        SnnlabError: a number is not whole, `folds` is 1 or too large, or there is no such fold.

    Example:
        >>> checked_folds(4, None, own=5)
        (4, 5)
    """
    folds = 0 if folds is None else whole_number("folds", folds, 0)
    folds = folds or (min(own, most[0]) if most else own)
    if folds == 1 or (most and folds > most[0]):
        if most and most[0] < 2:
            raise SnnlabError(
                f"number of {most[1]}: {most[0]}, expected at least 2, one to test on and one to "
                "train on. Add recordings."
            )
        upto = f"2 to {most[0]:,}, the number of {most[1]}" if most else "at least 2"
        raise SnnlabError(
            f"folds = {folds}: expected {upto}; one is tested on, the others are trained on. "
            f"Choose {min(OWN_FOLDS, most[0]) if most else OWN_FOLDS}."
        )
    fold = whole_number("fold", fold, 0, folds - 1 if folds else None)
    if fold and not folds:
        raise SnnlabError(
            f"fold = {fold} without a number of folds: expected both or none. Give folds, such as "
            "5, or leave fold out for the published split."
        )
    return fold, folds


def stratified(labels: np.ndarray, parts: int) -> np.ndarray:
    """Deal the recordings out to parts of equal size and equal classes, each up to one recording.

    Args:
        labels: (n,) int64.
        parts: how many.

    Returns:
        (n,) int64, the part of each recording, from 0.

    Example:
        >>> stratified(np.array([0, 0, 0, 0, 1, 1]), 2).tolist().count(0)
        3
    """
    order = _class_by_class(labels, seed=0)
    part = np.empty(len(labels), dtype=np.int64)
    part[order] = np.arange(len(labels)) % parts
    return part


def balanced(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Draw at most `limit` recordings, as balanced as possible; return ascending indices."""
    rank = _rank_in_class(labels, seed)
    return np.sort(np.lexsort((np.random.default_rng(seed).permutation(len(labels)), rank))[:limit])


def _rank_in_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return for each recording its place in a random order of its class, (n,)."""
    order = _class_by_class(labels, seed)
    first = np.searchsorted(labels[order], labels[order], side="left")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - first
    return rank


def _class_by_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the indices of the recordings class by class, shuffled inside each, (n,)."""
    order = np.random.default_rng(seed).permutation(len(labels))
    return order[np.argsort(labels[order], kind="stable")]
