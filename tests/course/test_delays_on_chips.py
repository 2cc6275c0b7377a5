"""The trainings of notebook 08: kinds of equal size, pruned ones, and those of few bits."""

import pytest

from snnlab.course import config
from snnlab.course.delays_on_chips import ChipRecipes

CONFIG = config.resolve("08_delays_on_chips", profile="tiny", neurons=10, layers=2)
LEARNING = config.resolve("04_learning_delays", profile="tiny", lr_delays=0.2)
RECIPES = ChipRecipes(CONFIG, LEARNING, classes=20)
KINDS = ("synaptic", "axonal", "dendritic", "axo-dendritic")


def test_every_kind_has_about_as_many_trained_numbers():
    networks = {kind: RECIPES.network(kind) for kind in KINDS}
    assert networks["synaptic"].hidden == (10, 10)
    counts = {kind: network.build().trainable_parameters() for kind, network in networks.items()}
    assert all(count == pytest.approx(counts["synaptic"], rel=0.06) for count in counts.values()), (
        counts
    )
    assert all(networks[kind].hidden[0] > 10 for kind in KINDS[1:])
    assert [networks[kind].delay_kind for kind in KINDS] == [*KINDS]


def test_few_bits_begin_with_the_full_network_and_see_whole_delays():
    full = RECIPES.trained("axonal", 0.04, 3, kept_share=0.5, delay_pull=0.01)
    first, second = RECIPES.fine_tuned(full, 4, 2).stages
    assert (first,) == full.stages and (first.kept_share, first.delay_pull) == (0.5, 0.01)
    assert (second.network.weight_bits, second.network.delay_bits) == (4, 2)
    assert (first.network.weight_bits, first.network.delay_bits) == (None, None)
    assert (second.whole_share, second.anneal_share, second.delay_pull) == (1.0, 0.0, 0.0)
    assert (second.lr_weights, second.lr_delays) == pytest.approx((0.01, 0.01))
    assert (second.kept_share, second.seed, second.epochs) == (0.5, 3, CONFIG.fine_tuning)


def test_no_two_trainings_share_a_checkpoint():
    full = [
        RECIPES.trained(kind, rate, seed, kept_share=share, delay_pull=pull)
        for kind in KINDS
        for rate in (0.02, 0.04)
        for seed in (0, 1)
        for share in (1.0, 0.5)
        for pull in (0.0, 0.01)
    ]
    tuned = [RECIPES.fine_tuned(full[0], *bits) for bits in ((2, 3), (3, 2), (4, 4))]
    names = [job.stages[-1].name for job in full + tuned]
    assert len({*names}) == len(names)
