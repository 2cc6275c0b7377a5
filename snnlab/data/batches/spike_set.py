"""Binned spikes: sparse in memory, dense a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known, whole_number
from snnlab.data.batches.base import BatchedDataset, by_speakers, joined_speakers
from snnlab.data.batches.spike_augmentation import SpikeAugmentation
from snnlab.data.io.events import N_CHANNELS, Events, offsets_of

BINNINGS = ("regular", "event")
_POOL = 8  # batches that are sorted by length together


@dataclass(frozen=True, eq=False, repr=False)
class SpikeSet(BatchedDataset):
    """Recordings as spike counts in cells of one time step and one input.

    Only cells with a spike are kept: of recording `i`, `cells[offsets[i]:offsets[i + 1]]` and the
    same slice of `counts`, where `cell = step * n_in + input`; steps ascend, no cell occurs twice.

    Attributes:
        labels: (n,) int64, index into `classes`.
        lengths: (n,) int64, steps from the first to the last spike, both included.
        speakers: (n,) int64; None where they are not known.
        classes: the class names.
        n_in: inputs, N.
        dt_ms: length of a step, ms.
        cells, counts: (nnz,) int32; spikes in that cell.
        offsets: (n + 1,) int64.
        augmentation: random changes of the recordings in training; None for none.
        channels: of the recordings; 700 are those of the cochlea.
    """

    labels: Tensor
    lengths: Tensor
    speakers: Tensor | None
    classes: tuple[str, ...]
    n_in: int
    dt_ms: float
    cells: Tensor
    counts: Tensor
    offsets: Tensor
    augmentation: SpikeAugmentation | None = None
    channels: int = N_CHANNELS

    def __repr__(self) -> str:
        mean_s = self.lengths.double().mean() * self.dt_ms / 1000
        return (
            f"<{len(self)} recordings of {len(self.classes)} classes{by_speakers(self.speakers)}, "
            f"{mean_s:.2f} s on average, up to {int(self.lengths.max())} steps of "
            f"{self.dt_ms:g} ms, {self.n_in} inputs>"
        )

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return recordings `index` (B,) as spike counts (T, B, N) float32 and labels (B,) int64.

        T is the length of the longest of them; a shorter one is followed by zeros.
        """
        return self._dense(index, int(self.lengths[index].max()), *self._entries(index))

    def index_batches(
        self, batch_size: int, *, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Every recording's index once, in batches of similar length: little of them is padding.

        With a generator the recordings are shuffled, sorted by length among 8 batches' worth at a
        time, and the batches shuffled. Without, they come in order of length, shortest first: for
        evaluation.

        Raises:
            SnnlabError: `batch_size` is no whole number from 1.
        """
        batch_size = whole_number("batch_size", batch_size, 1)
        lengths = self.lengths
        if generator is None:
            return list(lengths.argsort(stable=True).split(batch_size))
        pools = torch.randperm(len(self), generator=generator).split(_POOL * batch_size)
        batches = [
            batch
            for pool in pools
            for batch in pool[lengths[pool].argsort(stable=True)].split(batch_size)
        ]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def rising(self, x: Tensor) -> Tensor:
        """Sort the inputs of x (..., N) by rising frequency; the cochlea's channel 0 is highest."""
        return x.flip(-1) if self.channels == N_CHANNELS else x

    def subset(self, index: Tensor) -> SpikeSet:
        """Return the recordings `index` (m,), in that order, as a set of their own."""
        where, _ = self._places(index)
        return replace(
            self,
            labels=self.labels[index],
            lengths=self.lengths[index],
            speakers=None if self.speakers is None else self.speakers[index],
            cells=self.cells[where],
            counts=self.counts[where],
            offsets=torch.from_numpy(offsets_of(self.offsets.diff()[index].numpy())),
        )

    @staticmethod
    def joined(parts: Sequence[SpikeSet]) -> SpikeSet:
        """Return the recordings of sets of one form, one set after the other, as one set."""
        first = parts[0]
        if len(parts) == 1:
            return first
        names = ("labels", "lengths", "cells", "counts")
        tensors: Any = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
        return replace(
            first,
            **tensors,
            speakers=joined_speakers([part.speakers for part in parts]),
            offsets=torch.from_numpy(
                offsets_of(np.concatenate([part.offsets.diff() for part in parts]))
            ),
        )

    def _read_batches(
        self, indices: Iterator[Tensor], generator: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if generator is None or self.augmentation is None:
            return super()._read_batches(indices, generator)
        # a seed for each recording, so that a batch does not depend on those before it
        seeds = torch.randint(2**32, (len(self),), generator=generator)
        return (self._augmented(index, int(seeds[index[0]])) for index in indices)

    def _augmented(self, index: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Return a batch as `batch` does, changed at random."""
        assert self.augmentation is not None
        generator = torch.Generator().manual_seed(seed)
        cells = self.augmentation.change(*self._entries(index), len(index), self.n_in, generator)
        return self._dense(index, int(cells[0].max()) + 1 if len(cells[0]) else 1, *cells)

    def _dense(
        self, index: Tensor, steps: int, step: Tensor, channel: Tensor, count: Tensor, owner: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the filled cells of a batch as (T, B, N), and the labels of its recordings."""
        spikes = torch.zeros(steps, len(index), self.n_in)
        place = (step * len(index) + owner) * self.n_in + channel
        spikes.view(-1).index_add_(0, place, count)
        return spikes, self.labels[index]

    def _entries(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return step, input, count and place in `index` of each filled cell, (entries,) each."""
        where, owner = self._places(index)
        cells = self.cells[where].long()
        step = cells // self.n_in
        return step, cells - step * self.n_in, self.counts[where].float(), owner

    def _places(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Positions in `cells` of the recordings `index`, and the place in `index` of each.

        Both (entries,).
        """
        starts = self.offsets[index]
        counts = self.offsets[index + 1] - starts
        owner = torch.arange(len(index)).repeat_interleave(counts)
        first = counts.cumsum(0) - counts  # where each recording begins in what is returned
        return torch.arange(len(owner)) + (starts - first)[owner], owner


def bin_events(events: Events, *, dt_ms: float, n_in: int, binning: str = "regular") -> SpikeSet:
    """Count the spikes in cells of a time step and `channels / n_in` adjacent channels.

    A spike belongs to the input `channel // (channels / n_in)`.

    Args:
        events: the recordings.
        dt_ms: length of a step, ms.
        n_in: inputs, a divisor of the number of channels.
        binning: "regular": time begins at each recording's first spike, t0, and `step = floor((t -
            t0) / dt)`. A time that float16 does not hold, as it holds those of the published files,
            may lie below the beginning of its step by the rounding of float32, 2.4e-7 of the time.
            "event", as SpikingJelly had it when the numbers of Hammouamri et al. 2024
            were measured: a step begins with the first spike that is in none yet, and takes all
            that follow by at most dt. So silence is left out, a recording has 3 to 20 % fewer
            steps, and a delay in steps is no fixed time. Times are rounded as there, to float16 of
            ms.

    Raises:
        SnnlabError: `dt_ms` is not 1 to 1000, `n_in` does not divide the number of channels, or
            `binning` is another.
    """
    check_bins(dt_ms, n_in, binning, events.channels)
    lengths, stored = np.zeros((2, len(events)), dtype=np.int64)
    cells, counts = np.zeros((2, len(events.times)), dtype=np.int32)  # room for a cell a spike
    by_event = binning == "event"
    times = (
        (events.times.astype(np.float16) * np.float16(1000)).astype(np.float32)
        if by_event
        else events.times
    )
    length = _longest(dt_ms) if by_event else float(dt_ms)
    _count(
        times,
        events.units,
        events.offsets,
        length,
        int(n_in),
        events.channels // int(n_in),
        by_event,
        cells,
        counts,
        lengths,
        stored,
    )
    used = int(stored.sum())
    return SpikeSet(
        labels=torch.from_numpy(events.labels.astype(np.int64)),
        lengths=torch.from_numpy(lengths),
        speakers=None
        if events.speakers is None
        else torch.from_numpy(events.speakers.astype(np.int64)),
        classes=events.keys,
        n_in=int(n_in),
        dt_ms=float(dt_ms),
        cells=torch.from_numpy(cells[:used].copy()),
        counts=torch.from_numpy(counts[:used].copy()),
        offsets=torch.from_numpy(offsets_of(stored)),
        channels=events.channels,
    )


def _longest(dt_ms: float) -> float:
    """Return the largest difference of two times, ms, that float16 rounds to dt or less."""
    dt = np.float16(dt_ms)
    tie = (float(dt) + float(np.nextafter(dt, np.float16(np.inf)))) / 2
    return tie if np.float16(tie) == dt else math.nextafter(tie, 0)


@numba.njit(cache=True)
def _step(time, start, dt_ms):  # type: ignore[no-untyped-def]
    """Return `floor((time - start) / dt)`; times of a grid in float32 may lie just below it."""
    passed = np.float64(time) - start
    if not (_in_float16(time) and _in_float16(start)):  # those are exact
        passed += 2.0**-22 * time
    return int(passed * 1000 / dt_ms)


@numba.njit(cache=True)
def _in_float16(time):  # type: ignore[no-untyped-def]
    mantissa = 2048 * math.frexp(time)[0]
    return mantissa == math.floor(mantissa)


@numba.njit(cache=True)
def _count(times, units, offsets, dt_ms, n_in, group, by_event, cells, counts, lengths, stored):  # type: ignore[no-untyped-def]
    """Fill `cells`, `counts`, `lengths` and `stored` in one pass over the spikes.

    `cells` and `counts` have one entry a filled cell, `lengths` and `stored` are (n,).

    `times` are seconds; or, where a step begins with a spike (`by_event`), ms, and `dt_ms` is what
    `_longest` says of it.
    """
    entry = np.full(n_in, -1)  # of each input: where its latest cell is stored
    end = 0
    for i in range(len(lengths)):
        begin, fresh, current = end, end, 0  # fresh: the first entry of the current step
        start = np.float64(times[offsets[i]])  # in float64 the difference of two float32 is exact
        for event in range(offsets[i], offsets[i + 1]):
            passed = np.float64(times[event]) - start
            step = current + int(passed > dt_ms) if by_event else _step(times[event], start, dt_ms)
            if step > current and by_event:
                start = np.float64(times[event])
            if step > current:
                current, fresh = step, end
            channel = units[event] // group
            if entry[channel] < fresh:
                entry[channel] = end
                cells[end] = step * n_in + channel
                end += 1
            counts[entry[channel]] += 1
        lengths[i], stored[i] = current + 1, end - begin


def check_bins(
    dt_ms: float, n_in: int, binning: str = "regular", channels: int = N_CHANNELS
) -> None:
    """Refuse bins that the recordings cannot fill.

    Raises:
        SnnlabError: `dt_ms` is not 1 to 1000, `n_in` does not divide the number of channels, or
            `binning` is neither regular nor event.
    """
    known(binning, BINNINGS, "binning")
    if not (is_number(dt_ms) and 1 <= dt_ms <= 1000):
        raise SnnlabError(
            f"dt_ms is {dt_ms}; 1 to 1000 ms was expected, for the files keep times to about 1 ms. "
            "Choose 10 as in the paper."
        )
    check_inputs(n_in, channels)


def check_inputs(n_in: int, channels: int) -> None:
    """Refuse a number of inputs into which the channels cannot be grouped.

    Raises:
        SnnlabError: `n_in` does not divide the number of channels.
    """
    if not is_number(n_in) or n_in != int(n_in) or n_in < 1 or channels % int(n_in):
        valid = ", ".join(str(n) for n in range(1, channels + 1) if channels % n == 0)
        raise SnnlabError(
            f"n_in is {n_in}; a divisor of the {channels} channels was expected. Choose one of "
            f"{valid}."
        )
