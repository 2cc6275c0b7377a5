"""Samples that are files: the same batches whoever reads them, and one sentence when they cannot be
read.
"""

from dataclasses import replace
from functools import partial

import pytest
import torch
from bars import COMMON, NET, same
from readers import bars, noisy, tell

from snnlab._utils.errors import SnnlabError
from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.file_dataset import FileDataset, check_classes, hold_out
from snnlab.data.batches.prefetch import persistent_workers
from snnlab.training.callbacks import EpochCounter
from snnlab.training.trainer import fit
from snnlab.transfer.stages import Stage


@pytest.fixture(scope="module", autouse=True)
def started_once():
    with persistent_workers():
        yield


def samples(n=11, read=tell, **more):
    return FileDataset(range(n), torch.arange(n) % 3, ("a", "b", "c"), read, **more)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def told(batches):
    """Of each sample what was left of its seed."""
    return {int(s): int(seed) for x, _ in batches for s, seed, _ in x[0, :, 0, 0].tolist()}


def test_in_order_and_not_augmented_without_a_generator():
    batches = list(samples().batches(4))
    assert [x.shape for x, _ in batches] == [(2, 4, 1, 1, 3), (2, 4, 1, 1, 3), (2, 3, 1, 1, 3)]
    assert all(x.dtype == torch.float32 for x, _ in batches)
    assert torch.cat([x[1, :, 0, 0, 0] for x, _ in batches]).tolist() == list(range(11))
    assert torch.cat([y for _, y in batches]).tolist() == [i % 3 for i in range(11)]
    assert set(told(batches).values()) == {-1} and len(samples()) == 11
    x, y = samples().batch(torch.tensor([7, 2]))
    assert (
        x[0, :, 0, 0, :2].tolist() == [[7, -1], [2, -1]]
        and y.tolist() == [1, 2]
        and x.dtype == torch.float32
    )


def test_shuffled_as_a_dense_set_is():
    dense = DenseSet(torch.arange(11)[None, :, None], torch.arange(11) % 3)
    batches = list(samples().batches(4, generator=seeded(5)))
    for (x, y), (expected, labels) in zip(
        batches, dense.batches(4, generator=seeded(5)), strict=True
    ):
        assert torch.equal(x[0, :, 0, 0, 0], expected[0, :, 0]) and torch.equal(y, labels)


def test_a_seed_belongs_to_the_sample_and_the_epoch():
    generator = seeded(0)
    first, second = (told(samples(300).batches(7, generator=generator)) for _ in range(2))
    assert sorted(first) == list(range(300)) and min(first.values()) >= 0
    assert len(set(first.values())) > 200  # of 300 drawn from 1000, 259 are different ones
    assert sum(first[i] == second[i] for i in first) < 10
    assert told(samples(300).batches(64, generator=seeded(0))) == first


def test_processes_that_train_together_share_the_samples_not_the_seeds():
    whole = told(samples().batches(4, generator=seeded(1)))
    parts = [told(samples().batches(4, generator=seeded(1), part=(i, 2))) for i in range(2)]
    assert parts[0] | parts[1] == whole and not parts[0].keys() & parts[1].keys()


@pytest.mark.parametrize("seed", [None, 3])
def test_the_number_of_loaders_changes_nothing(seed):
    before = torch.get_rng_state()
    results = []
    for loaders in (0, 2):
        generator = None if seed is None else seeded(seed)
        epochs = [
            list(samples(40, noisy, loaders=loaders).batches(6, generator=generator))
            for _ in range(2)
        ]
        results.append(epochs)
        assert all(torch.equal(a, b) for (a, _), (b, _) in zip(*epochs, strict=True)) == (
            seed is None
        )
    for none, two in zip(*results, strict=True):
        assert len(none) == len(two) == 7
        for (a, y), (b, z) in zip(none, two, strict=True):
            assert torch.equal(a, b) and torch.equal(y, z) and b.dtype == torch.float32
    # Dropout draws the same with and without loaders
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("loaders", [0, 2])
def test_the_sentence_of_a_bad_file_is_the_readers_own(loaders):
    batches = replace(samples(loaders=loaders), samples=[*range(7), "bad", 8, 9, 10]).batches(2)
    for _ in range(3):
        next(batches)
    with pytest.raises(SnnlabError) as caught:
        next(batches)
    assert str(caught.value) == "bad.npz cannot be read; a whole one was expected. Fetch it again."


def test_errors_that_are_no_sentence_stay_what_they_are():
    for loaders in (0, 2):
        with pytest.raises(RuntimeError, match="not the data's fault"):
            list(replace(samples(3, loaders=loaders), samples=[0, "breaks", 1]).batches(1))


def test_samples_of_two_sizes():
    with pytest.raises(
        SnnlabError,
        match=r"wide\.jpg gives \(2, 1, 1, 4\), 0 \(2, 1, 1, 3\); samples of one size were",
    ):
        list(replace(samples(2), samples=[0, "wide.jpg"]).batches(2))
    assert len(list(replace(samples(2), samples=[0, "wide.jpg"]).batches(1))) == 2


def test_a_negative_number_of_loaders():
    with pytest.raises(SnnlabError, match="loaders = -1: expected a whole number from 0"):
        samples(loaders=-1)


def test_a_part_of_the_samples():
    part = replace(samples(), samples=[10 * i for i in range(11)]).subset(torch.tensor([4, 1]))
    x, y = next(part.batches(9))
    assert (
        x[0, :, 0, 0, 0].tolist() == [40, 10]
        and y.tolist() == [1, 1]
        and part.classes == ("a", "b", "c")
    )


def test_validation_is_a_share_of_every_class():
    labels = torch.tensor([0] * 100 + [1] * 10 + [2])
    whole = replace(samples(111), labels=labels)
    train, valid = hold_out(whole, 0.02)
    assert valid.labels.bincount().tolist() == [2, 1] and train.labels.bincount().tolist() == [
        98,
        9,
        1,
    ]
    assert sorted([*train.samples, *valid.samples]) == list(range(111))
    assert list(hold_out(whole, 0.02)[1].samples) == list(valid.samples)
    assert hold_out(whole, 0.1)[1].labels.bincount().tolist() == [10, 1]
    with pytest.raises(
        SnnlabError, match="every class has one sample for training, such as 0; at least two"
    ):
        hold_out(samples(3), 0.02)


def test_every_class_has_a_sample_and_every_sample_a_class():
    good = samples()
    assert check_classes(good, "there") is good
    with pytest.raises(
        SnnlabError,
        match="there has no sample of the class b; at least one of each of the 3 classes",
    ):
        check_classes(replace(good, labels=torch.tensor([0, 2, 2])), "there")
    with pytest.raises(
        SnnlabError, match="there has a sample of class 3; classes 0 to 2 were expected"
    ):
        check_classes(replace(good, labels=torch.arange(4)), "there")


def test_a_resumed_training_is_the_same_bit_for_bit(tmp_path):
    """Killed after the first epoch, gone on with by loaders."""

    class KilledError(Exception):
        pass

    def killed(epochs):
        raise KilledError

    recipe = Stage(**COMMON, epochs=3, network=NET, lr=0.05)
    train, valid = samples(30, bars), samples(12, bars)
    torch.manual_seed(0)
    start = NET.build().state_dict()
    results = []
    for stopped in (False, True):
        model = NET.build()
        model.load_state_dict(start)
        run = partial(
            fit, model, recipe=recipe, checkpoint=tmp_path / f"{stopped}.pt", progress=False
        )
        if stopped:
            with pytest.raises(KilledError):
                run(train=train, valid=valid, callbacks=[EpochCounter(killed)])
            run(train=replace(train, loaders=2), valid=replace(valid, loaders=2))
        else:
            run(train=train, valid=valid)
        results.append(model)
    assert same(*results)
