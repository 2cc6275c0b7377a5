"""A training that was killed in the middle of an epoch goes on there and ends with the same bits
and the same history."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import resumed
import torch
from bars import same_checkpoints, same_fits
from hypothesis import given, settings
from hypothesis import strategies as st
from readers import tell
from resumed import STEPS, Stop, delays, pictures, spikes, stopping

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.feature_set import FeatureSet
from snnlab.data.batches.file_dataset import FileDataset
from snnlab.training import checkpoints, trainer
from snnlab.training import state as resume
from snnlab.training.state import EpochState, TrainState

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Path(__file__).parent


# in the first epoch and the second, in a step and in the middle of writing; and the batch before
# which the last whole checkpoint was written, which is before each, or each second or third one
DEATHS = [
    (dict(step=4, rhythm=3), 2),
    (dict(step=STEPS), 0),
    (dict(step=STEPS + 3, rhythm=2), 2),
    (dict(save=STEPS), 4),
    (dict(save=STEPS + 3), 1),
]


@pytest.mark.parametrize(
    ("train", "options", "deaths"), [(delays, {}, DEATHS), (pictures, {"loaders": 1}, DEATHS[2:3])]
)
def test_sigkill_at_several_moments(tmp_path, train, options, deaths):
    whole = train(tmp_path / "whole.pt")
    files = {str(tmp_path / f"{number}.pt"): death for number, (death, _) in enumerate(deaths)}
    script = f"""if True:
        import sys
        sys.path[:0] = {[str(HERE), str(HERE.parent / "helpers")]}
        import resumed
        resumed.die(resumed.{train.__name__}, {files!r}, **{options!r})
    """
    # A process that forks after it has trained must not see a GPU
    no_gpu = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300, env=no_gpu)
    for path, (_, batches) in zip(files, deaths, strict=True):
        assert checkpoints.load(path)["under_way"]["batches"] == batches
        same_fits(train(path, **options), whole)
        same_checkpoints(path, tmp_path / "whole.pt")


def test_it_goes_on_at_each_batch_and_trains_on_none_twice(tmp_path, monkeypatch):
    whole, step = delays(tmp_path / "whole.pt"), trainer.train_step
    for stop in range(1, 3 * STEPS):
        left = [stop]
        monkeypatch.setattr(trainer, "train_step", partial(stopping, left, step))
        with pytest.raises(Stop):
            delays(tmp_path / f"{stop}.pt", save_every=0)
        left[0] = 3 * STEPS - stop
        same_fits(delays(tmp_path / f"{stop}.pt"), whole)
        assert left == [0]
    same_checkpoints(tmp_path / "7.pt", tmp_path / "whole.pt")


def test_short_epochs_are_not_interrupted_by_saves(tmp_path, monkeypatch):
    saves = []
    monkeypatch.setattr(
        checkpoints,
        "save",
        lambda path, **content: saves.append((len(content["history"]), content["under_way"])),
    )
    delays(tmp_path / "c.pt")
    assert saves == [(1, None), (2, None), (3, None)]
    saves.clear()
    delays(None, save_every=0)
    assert saves == []
    pictures(tmp_path / "c.pt", save_every=0)
    places = [(epochs, None if place is None else place["batches"]) for epochs, place in saves]
    assert places == [
        *((0, k) for k in range(5)),
        (1, None),
        *((1, k) for k in range(5)),
        (2, None),
    ]


def test_the_time_runs_from_the_last_checkpoint(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr(resume.time, "perf_counter", lambda: now)
    state = TrainState(
        resumed.NET.build(), [], [], resumed.Stage(**resumed.COMMON, epochs=1), data={}, every=10.0
    )
    now = 1000.0
    assert not state.due()  # nothing is written by this process
    state.path = tmp_path / "c.pt"
    assert state.due()
    state.save()
    now = 1009.9
    assert not state.due()
    now = 1010.0
    assert state.due()


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_time_that_is_none(tmp_path, seconds):
    with pytest.raises(
        SnnlabError, match="save_every = (-1|nan): expected seconds from 0, such as 300"
    ):
        delays(tmp_path / "c.pt", save_every=seconds)


def test_a_checkpoint_that_lacks_something_is_refused(tmp_path):
    delays(tmp_path / "c.pt")
    content = torch.load(tmp_path / "c.pt", weights_only=True)
    del content["under_way"], content["moving"]
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(
        SnnlabError,
        match=r"c.pt: a checkpoint without moving, under_way; expected one .* Choose another file",
    ):
        delays(tmp_path / "c.pt")


def counted(work, *, part=(0, 1)):
    """What a process has counted after `work` seconds: two batches, of 3 of 5 and of 2 of 4
    samples."""
    clock = iter([0.0, work, work])
    epoch_state = EpochState(torch.device("cpu"), lambda: next(clock))
    epoch_state.add(torch.tensor(1.5), torch.tensor(2), samples=3, total_samples=5, time_steps=7)
    epoch_state.add(torch.tensor(0.5), torch.tensor(1), samples=2, total_samples=4, time_steps=7)
    return epoch_state


def test_what_is_counted_and_how_it_goes_on():
    epoch_state = counted(4.0)
    assert (epoch_state.batches, epoch_state.seen, epoch_state.sample_timesteps) == (2, 9, 35)
    assert (
        epoch_state.loss.item() == 1.5 * 3 + 0.5 * 2
        and epoch_state.correct.item() == 3
        and epoch_state.work_seconds == 4.0
    )
    epoch_state.started -= 1000.0
    torch.manual_seed(4)
    state = epoch_state.state()
    expected = torch.rand(3)
    again = EpochState(torch.device("cpu"), lambda: 60.0)
    again.restore(state)
    assert torch.equal(torch.rand(3), expected)
    assert (again.batches, again.seen, again.sample_timesteps, again.work_seconds) == (
        2,
        9,
        35,
        4.0,
    )
    assert again.loss.item() == 5.5 and again.correct.item() == 3 and 1000 <= again.seconds < 1100


def test_another_number_of_processes_goes_on_with_all_that_was_counted(monkeypatch):
    states = [counted(seconds).state() for seconds in (4.0, 1.0, 2.0)]
    for factor, state in enumerate(states, 1):
        state["sums"][0][:3] *= factor
        state["random"][0] = torch.Generator().manual_seed(factor).get_state()
    state = states[0] | {
        key: [s[key][0] for s in states] for key in ("sums", "random", "random_gpu")
    }
    for processes, sums in ((1, [6]), (2, [4, 2]), (3, [1, 2, 3]), (4, [1, 2, 3, 0])):
        for number in range(processes):
            monkeypatch.setattr(
                resume, "rank_and_world_size", lambda part=(number, processes): part
            )
            again = EpochState(torch.device("cpu"), lambda: 0.0)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(99)
                again.restore(state)
                drawn = torch.rand(1)
            assert (again.batches, again.seen) == (2, 9)
            found = (again.loss.item(), again.correct.item(), again.sample_timesteps)
            assert found == (5.5 * sums[number], 3 * sums[number], 35 * sums[number])
            seed = number + 1 if number < 3 else 99
            assert torch.equal(drawn, torch.rand(1, generator=torch.Generator().manual_seed(seed)))


def dense(n):
    return DenseSet(torch.arange(3 * n).view(3, n, 1), torch.arange(n))


def files(n, loaders=0):
    return FileDataset(range(n), torch.arange(n), tuple(map(str, range(n))), tell, loaders)


def features(n):
    chunks = (
        (torch.arange(6.0).view(3, 2, 1), torch.arange(6.0, 2 * n).view(n - 3, 2, 1))
        if n > 3
        else (torch.arange(2.0 * n).view(n, 2, 1),)
    )
    places = [(k, i) for k, chunk in enumerate(chunks) for i in range(len(chunk))]
    return FeatureSet(torch.arange(n), torch.zeros(n), ("a",), 10.0, chunks, torch.tensor(places))


SETS = {"dense": dense, "files": files, "features": features, "spikes": partial(spikes, seed=0)}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(list(SETS)),
    n=st.integers(1, 30),
    batch_size=st.integers(1, 12),
    processes=st.integers(1, 3),
    seed=st.one_of(st.none(), st.integers(0, 9)),
    data=st.data(),
)
def test_without_the_first_batches_the_others_are_the_same(
    kind, n, batch_size, processes, seed, data
):
    part = (data.draw(st.integers(0, processes - 1)), processes)
    these = SETS[kind](n)

    def batches(**skip):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return list(these.batches(batch_size, generator=generator, part=part, **skip))

    whole = batches()
    first = data.draw(st.integers(0, len(whole) + 1))
    rest = batches(skip_batches=first)
    assert len(rest) == max(0, len(whole) - first)
    for (x, y), (a, b) in zip(rest, whole[first:], strict=True):
        assert torch.equal(x, a) and torch.equal(y, b)


def test_the_generator_is_left_as_if_all_batches_had_been_taken():
    for make in SETS.values():
        states = []
        for first in (0, 3):
            generator = torch.Generator().manual_seed(1)
            list(make(20).batches(4, generator=generator, skip_batches=first))
            states.append(generator.get_state())
        assert torch.equal(*states)


def test_what_is_left_out_is_not_read():
    bad = FileDataset(["bad", "bad", 2, 3], torch.arange(4), tuple("abcd"), tell)
    assert [y.tolist() for _, y in bad.batches(2, skip_batches=1)] == [[2, 3]]
