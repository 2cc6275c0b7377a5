"""Choice of the recordings for training and validation."""

from __future__ import annotations

import numpy as np

SHARE = 0.15  # of the training recordings, held out for validation


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


def hold_out_recordings(labels: np.ndarray, seed: int = 0, share: float = SHARE) -> np.ndarray:
    """Choose a share of every class of two or more recordings, at least one; return (n,) bool."""
    size = np.bincount(labels)[labels]
    wanted = np.where(size > 1, np.maximum(1, np.round(share * size)), 0)
    return _rank_in_class(labels, seed) < wanted


def stratified(labels: np.ndarray, parts: int, seed: int = 0) -> np.ndarray:
    """Deal the recordings out to parts of equal size and equal classes, each up to one recording.

    Args:
        labels: (n,) int64.
        parts: how many.
        seed: of the order within each class.

    Returns:
        (n,) int64, the part of each recording, from 0.

    Example:
        >>> stratified(np.array([0, 0, 0, 0, 1, 1]), 2).tolist().count(0)
        3
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class, shuffled inside
    part = np.empty(len(labels), dtype=np.int64)
    part[order] = np.arange(len(labels)) % parts
    return part


def balanced(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Draw at most `limit` recordings, as balanced as possible; return ascending indices."""
    rank = _rank_in_class(labels, seed)
    return np.sort(np.lexsort((np.random.default_rng(seed).permutation(len(labels)), rank))[:limit])


def _rank_in_class(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return for each recording its place in a random order of its class, (n,)."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class, shuffled inside
    first = np.searchsorted(labels[order], labels[order], side="left")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - first
    return rank
