"""The recipe of networks with delays."""

import pytest

from snnlab.delays.recipe import sigma_schedule


def test_sigma_schedule_is_the_papers_table():
    seen = [
        sigma_schedule(e, max_delay=24, anneal_epochs=37)
        for e in (0, 5, 10, 15, 20, 25, 30, 36, 37, 149)
    ]
    assert seen == pytest.approx(
        [12.27, 7.30, 4.39, 2.69, 1.69, 1.10, 0.76, 0.53, 0.50, 0.50], abs=6e-3
    )
    assert sigma_schedule(0, max_delay=30, anneal_epochs=15) == pytest.approx(15.27)
    assert sigma_schedule(0, max_delay=24, anneal_epochs=0) == 0.5
