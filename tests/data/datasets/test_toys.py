"""The lag task: equal rates, a lag that is really there, and the ceiling of a network without
memory.
"""

import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags, memoryless_ceiling


def test_the_right_ear_repeats_the_left_one():
    task = interaural_lags(200, lags=(0, 3, 9), channels=4, steps=40, seed=1)
    assert task.x.shape == (40, 200, 8) and set(task.labels.tolist()) == {0, 1, 2}
    for c, lag in enumerate((0, 3, 9)):
        heard = task.x[:, task.labels == c]
        assert torch.equal(heard[lag:, :, 4:], heard[: 40 - lag, :, :4])


def test_rates_say_nothing():
    task = interaural_lags(4_000, seed=0)
    rates = [task.x[:, task.labels == c].mean(dim=(0, 1)) for c in range(5)]
    error = (0.06 * 0.94 / (800 * 60)) ** 0.5
    assert (torch.stack(rates) - 0.06).abs().max() < 5 * error


def test_ceiling_of_the_best_memoryless_reader():
    """Counting coincidences within a step is all that can be done without memory; it reaches the
    ceiling, not more.
    """
    task = interaural_lags(4_000, seed=0)
    left, right = task.x[..., :8], task.x[..., 8:]
    always_together = (left == right).all(dim=2).all(dim=0)
    guess = torch.where(always_together, 0, 1)
    accuracy = (guess == task.labels).double().mean().item()
    assert accuracy == pytest.approx(memoryless_ceiling(), abs=0.03) and memoryless_ceiling() == 0.4
    assert memoryless_ceiling((4, 8, 12, 16, 20)) == 0.2


def test_same_seed_same_trials():
    a, b, c = (interaural_lags(50, seed=s) for s in (3, 3, 4))
    assert torch.equal(a.x, b.x) and not torch.equal(a.x, c.x)


def test_batches_cover_every_trial_once():
    task = interaural_lags(23, steps=20)
    seen = torch.cat([y for _, y in task.batches(5, generator=torch.Generator().manual_seed(0))])
    assert len(seen) == 23 and torch.equal(seen.sort().values, task.labels.sort().values)


def test_a_lag_has_to_fit():
    with pytest.raises(SnnlabError, match="lags"):
        interaural_lags(10, lags=(0, 60), steps=60)
