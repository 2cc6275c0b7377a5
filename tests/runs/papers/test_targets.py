"""The papers' rows beside the measurements: which results count, and for what."""

import dataclasses
import json
import re
from functools import cache
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner
from genuine import genuine

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.course.config import read_parameters
from snnlab.data.datasets.catalogue import DATASETS
from snnlab.runs.papers import evidence, statistics, targets
from snnlab.runs.papers.statistics import Estimate
from snnlab.runs.papers.targets import Status

ROOT = Path(__file__).parents[3]
BEST = "best_on_test_accuracy"
PLANNED = evidence.planned


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("SNNLAB_PROFILE", raising=False)


@pytest.fixture(scope="module")
def plans():
    """What each file in params/ asks for, read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return {
            file: evidence.planned(file)
            for file in {target.file for target in targets.targets() if target.file}
        }


@pytest.fixture
def save(tmp_path, plans, monkeypatch):
    """Write the result of a run of a file: entries are (name, seed, numbers)."""
    monkeypatch.setattr(evidence, "planned", lambda file: plans[file])
    (tmp_path / "runs").mkdir()
    names = iter(range(100_000))

    def write(
        file, configuration, *entries, data=None, finished="2026-01-01T01:00:00+00:00", **changes
    ):
        config, _ = plans[file][configuration]
        source = {
            "path": "",
            "sha256": "",
            "note": "",
            **(genuine(config.data) if data is None else data),
        }
        content = {
            "schema": 1,
            "notebook": config.notebook,
            "profile": "paper",
            "config": dataclasses.asdict(config) | changes.pop("config", {}),
            "versions": {},
            "platform": {"notebook_sha256": "ab" * 32, "notebook_edited": False},
            "data": source,
            "results": [
                {"variant": name, "seed": seed, **numbers} for name, seed, numbers in entries
            ],
            "more": {},
            "started": finished,
            "finished": finished,
        } | changes
        path = tmp_path / "runs" / str(next(names)) / "result.json"
        path.parent.mkdir()
        path.write_text(json.dumps(content))
        return path

    write.folder = tmp_path / "runs"
    return write


def row(folder, name, *, table="", protocol="", source=""):
    """The one row that is meant."""
    (found,) = (
        found
        for found in targets.measured(folder)
        if found.target.row == name
        and table in found.target.table
        and protocol in found.target.protocol
        and source in found.target.source
    )
    return found


def shd(save, accuracies, configuration="dense", name="learned", number="test_accuracy", **changes):
    for seed, accuracy in enumerate(accuracies):
        save("delays_shd", configuration, (name, seed, {number: accuracy}), **changes)


PAPER = dict(table="Table 1, SHD", source="paper", protocol="best epoch on test")
HELD_OUT = dict(table="Table 1, SHD", protocol="held-out")
HEADLINE = "DCLS-Delays, 2L-1KC"
TEN = [0.949, 0.951] * 5  # mean 0.95, deviation sqrt(10e-6 / 9) = 0.00105


# ----------------------------------------------------------------------
# statistics


def test_mean_deviation_and_interval_by_hand():
    one = statistics.estimate([[0.94, 0.95, 0.96]])
    assert (one.mean, one.sd) == (pytest.approx(0.95), pytest.approx(0.01))
    assert one.half_width == pytest.approx(4.302653 * 0.01 / 3**0.5)  # t(0.975, 2)
    assert statistics.estimate([[0.5]]) == Estimate(0.5, None, None)
    assert statistics.estimate([[0.5, 0.5]]) == Estimate(0.5, 0.0, 0.0)


def test_the_interval_of_a_difference_is_that_of_welch():
    from scipy.stats import ttest_ind

    a, b = [0.81, 0.84, 0.86, 0.83], [0.70, 0.79, 0.75]
    found = statistics.estimate([a], [b])
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.mean == pytest.approx(0.835 - 0.74666667) and found.sd is None
    assert (found.mean - found.half_width, found.mean + found.half_width) == (
        pytest.approx(low),
        pytest.approx(high),
    )
    assert statistics.estimate([a], [[0.7]]).half_width is None
    four = statistics.estimate([[1.0, 3.0], [2.0, 2.0]], [[0.0, 1.0], [1.0, 1.0]])
    assert four.mean == pytest.approx(2 + 2 - 0.5 - 1)


def test_a_published_deviation_becomes_an_interval():
    assert statistics.published_half_width(0.0024, "95 % interval", 10) == 0.0024
    assert statistics.published_half_width(0.0061, "sd", 3) == pytest.approx(
        4.302653 * 0.0061 / 3**0.5
    )
    assert statistics.published_half_width(None, "", None) == 0.0


@pytest.mark.parametrize(
    ("mean", "half", "spread", "published", "expected"),
    [
        (0.9483, None, 0.0024, 0.0024, Status.REPRODUCED),  # on the edge of what is printed
        (0.9482, None, 0.0024, 0.0024, Status.WITHIN),  # one seed has no interval
        (0.9482, 0.0002, 0.0024, 0.0024, Status.REPRODUCED),  # they touch
        (0.9532, 0.0, 0.0024, 0.0024, Status.WITHIN),
        (0.9207, 0.0, 0.0024, 0.0024, Status.DIFFERS),
        (0.9357, 0.0, 0.0024, 0.0024, Status.WITHIN),  # 1.5 points off
        (0.9207, 0.5, 0.0024, 0.0024, Status.DIFFERS),  # a wide interval proves nothing
        (0.9207, 0.0, 0.03, 0.07, Status.REPRODUCED),  # within what is printed, beyond the band
        (0.9507, None, None, 0.0, Status.REPRODUCED),
        (0.9517, 0.002, None, 0.0, Status.REPRODUCED),
        (0.9817, None, None, 0.0, Status.DIFFERS),
    ],
)
def test_a_number_is_reproduced_or_within_the_band_or_differs(
    mean, half, spread, published, expected
):
    assert (
        statistics.compare_value(Estimate(mean, None, half), 0.9507, spread, published, 0.015)
        is expected
    )


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [
        (0.02, 0.01, Status.REPRODUCED),
        (0.02, 0.02, Status.WITHIN),
        (0.02, None, Status.WITHIN),
        (0.0, 0.0, Status.DIFFERS),
        (-0.02, 0.01, Status.DIFFERS),
    ],
)
def test_a_claim_holds_if_the_interval_of_the_difference_is_above_zero(mean, half, expected):
    assert statistics.compare_claim(Estimate(mean, None, half)) is expected


def test_a_share_of_time_counts_too():
    better, even, worse = (Estimate(mean, None, 0.01) for mean in (0.02, 0.005, -0.02))
    assert statistics.compare_time(better, 0.5, 0.5, 0.1) is Status.REPRODUCED
    assert statistics.compare_time(better, 0.55, 0.5, 0.1) is Status.WITHIN
    assert statistics.compare_time(better, 0.61, 0.5, 0.1) is Status.DIFFERS
    assert statistics.compare_time(better, float("nan"), 0.5, 0.1) is Status.NOT_RUN
    assert statistics.compare_time(even, 0.4, 0.5, 0.1) is Status.WITHIN
    assert statistics.compare_time(worse, 0.4, 0.5, 0.1) is Status.DIFFERS


# ----------------------------------------------------------------------
# what is published


ALL = targets.targets()
RUNNABLE = [target for target in ALL if not target.gap]


def test_every_row_says_what_it_is_and_how_sure():
    for target in ALL:
        assert target.data in DATASETS and target.source and target.row, target
        assert bool(target.gap) != bool(
            target.file and target.plus and target.number and target.protocol
        ), target
        for name in ("value", "spread", "share", "tolerance"):
            number = getattr(target, name)
            assert number is None or (isinstance(number, float) and 0 <= number < 1), target
        if target.spread is not None:
            assert (
                target.value is not None
                and target.runs
                and target.spread_is in ("95 % interval", "sd")
            ), target
        assert not (target.value is not None and target.claim), target
        assert "memory" not in target.source or not target.confirmed, target
        if target.value is not None and not target.gap:
            assert 0 < target.tolerance <= 0.03 and target.why, target
        assert (target.hours is None) == (not target.basis), target
        assert target.share is None or target.claim, target


@cache
def templates(notebook):
    """Return the names of networks in notebooks 02 and 03, with the parts in braces."""
    (path,) = (ROOT / "notebooks").glob(f"{notebook}*.ipynb")
    code = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    )
    return set(re.findall(r'"([^"\n]+)"', code)), code


def arms(config):
    """Return all names of networks in a run of this configuration, from its notebook."""
    if config.notebook.startswith("04"):
        return set(config.variants)
    texts, code = templates(config.notebook)
    assert "scratch, {epochs} epochs" in texts and "for epochs in config.scratch_epochs" in code
    lengths = {f"scratch, {epochs} epochs" for epochs in config.scratch_epochs}
    if config.notebook.startswith("02"):
        assert {"pipe-S", "T = {T}"} <= texts and 'suffix=f" ({where})"' in code
        return {f"{name} (T = {config.steps})" for name in {*lengths, "pipe-S", "one step"}}
    assert {"handed_over", "neurons"} <= texts and "ablation=[" in code
    parts, neurons = (
        {name for name in names if name in texts}
        for names in (("nothing", "convolutions", "head", "both"), ("LIAF", "LIF", "LIAF, LIF"))
    )
    grid = {f"ablation: {part}, {neuron}" for part in parts for neuron in neurons}
    return lengths | grid | ({"pictures, LIF", "edges, LIF", "edges, LIAF, LIF"} & texts)


def test_what_a_row_is_measured_with_can_come_out_of_its_file(plans):
    """Its file has this command, and its configurations train such networks on this data."""
    for target in RUNNABLE:
        assert f"#   {target.command}" in (ROOT / f"params/{target.file}.yaml").read_text(), target
        numbers = {"test_accuracy"}
        for arm in (*target.plus, *target.minus):
            config, seeds = plans[target.file][arm.configuration]
            assert config.profile == "paper" and config.data == target.data and seeds, target
            assert arm.name in arms(config), arm
        if config.notebook.startswith("04"):
            numbers |= {"last_epoch_accuracy", BEST}
        assert target.number in numbers, target
        if target.number == "last_epoch_accuracy" or (
            target.number == BEST and target.data == "shd"
        ):
            assert config.protocol == "published", target


def test_every_file_in_params_is_of_some_row_and_of_one_data_set():
    files = {path.stem for path in (ROOT / "params").glob("*.yaml")} - {
        "spoken_digits_sweep",
        "speech_commands_test_folds",
    }
    assert {target.file for target in RUNNABLE} == files
    assert len({(target.file, target.data) for target in RUNNABLE}) == len(files)
    measured_with = {
        (target.file, arm.configuration)
        for target in RUNNABLE
        for arm in target.plus + target.minus
    }
    for file in files:
        named = read_parameters(ROOT / f"params/{file}.yaml").get("configurations", {"": {}})
        assert {(file, name) for name in named} <= measured_with


def test_configurations_are_what_their_names_say(plans):
    """The hyper-parameters of Hammouamri et al. 2024, and over them what a name says."""
    constant, sparse = {"anneal_share": 0.0}, {"connections": 10}
    three, two = {"hidden": (512, 512, 512)}, {"kernel_count": 2}
    words = {"2L-1KC": {}, "2L-2KC": two, "3L-1KC": three, "3L-2KC": three | two}
    ablation = {
        "": {},
        ", constant sigma": constant,
        ", sparse": sparse,
        ", sparse, constant sigma": sparse | constant,
    }
    common = dict(
        dt_ms=10.0,
        n_in=140,
        anneal_share=0.25,
        lr_weights=5e-3,
        lr_delays=0.1,
        weight_decay=1e-5,
        seeds=1,
        connections=0,
        kernel_count=1,
        limit=0,
        protocol="held-out",
    )
    speech = common | dict(
        hidden=(512, 512), max_delay=30, tau_ms=(15.0,), dropout=0.25, batch_size=128
    )
    shd = common | dict(
        data="shd",
        binning="event",
        hidden=(256, 256),
        max_delay=24,
        tau_ms=(10.05,),
        dropout=0.4,
        batch_size=256,
        epochs=150,
    )
    expected = {
        "delays_shd": (
            shd,
            10,
            {
                "dense": {},
                "dense, published protocol": {"protocol": "published"},
                "sparse": sparse,
                "dense, constant sigma": constant,
                "sparse, constant sigma": sparse | constant,
            },
        ),
        "delays_ssc": (speech | dict(data="ssc", binning="event", epochs=60), 5,
                       words | {f"2L-1KC{name}": change for name, change in ablation.items()}),
        "delays_gsc": (speech | dict(data="gsc", features="paper", epochs=100), 5, words),
    }  # fmt: skip
    for file, (base, seeds, changes) in expected.items():
        assert plans[file].keys() == changes.keys()
        for name, (config, planned) in plans[file].items():
            wanted = base | changes[name]
            assert {key: getattr(config, key) for key in wanted} == wanted, (file, name)
            assert planned == set(range(seeds))


def test_the_protocols_of_shd_have_their_own_numbers():
    """95.07: best epoch on the test set; 93.9: last epoch; 94.1: chosen on held-out data."""
    rows = [
        target
        for target in targets.targets("delays")
        if target.table == "Table 1, SHD" and not target.gap
    ]
    found = {
        (target.value, target.spread, target.plus[0].configuration, target.number)
        for target in rows
    }
    published = "dense, published protocol"
    assert found == {
        (0.9507, 0.0024, published, BEST),
        (0.9517, 0.0061, published, BEST),
        (0.9389, 0.0026, published, "last_epoch_accuracy"),
        (0.9414, 0.0098, "dense", "test_accuracy"),
    }
    assert {target.spread_is for target in rows if target.value == 0.9507} == {"95 % interval"}
    assert {(target.spread_is, target.runs) for target in rows if target.value != 0.9507} == {
        ("sd", 3)
    }


@pytest.mark.parametrize("file", ["delays_ssc", "delays_gsc", "delays_shd"])
def test_the_files_quote_the_same_numbers(file):
    text = " ".join((ROOT / f"params/{file}.yaml").read_text().replace("\n#", "").split())
    quoted = 0
    for target in RUNNABLE:
        if target.file == file and target.value is not None and "paper" in target.source:
            number = f"{100 * target.value:.2f} +- {100 * target.spread:.2f}"
            unsure = "" if target.confirmed else " (not confirmed)"
            assert number + unsure in text
            assert target.confirmed == (f"{number} (not" not in text)
            quoted += 1
    assert quoted >= (1 if file == "delays_shd" else 8)


def test_hours_are_what_their_basis_says(plans):
    by_file = {target.file: target for target in RUNNABLE if target.hours is not None}
    assert by_file["delays_shd"].hours == round(10.6 * 150 * 4 / 3600, 1)
    for file, epochs, seconds in (
        ("pipe_d_cifar10_dvs", 2822, 160),
        ("pipe_d_cifar10_dvs_42", 1962, 25),
    ):
        config, _ = plans[file][""]
        each = config.epochs + config.warm_up_epochs
        shorter, longer = config.scratch_epochs
        race = shorter + longer + 3 * each + shorter  # scratch, three from an ANN, the bridge alone
        grid = shorter + 7 * each  # what the race does not have yet
        assert len(config.lr) * (race + grid) + each == epochs  # and one that is watched
        assert (
            f"{epochs:,} epochs" in by_file[file].basis and f"x {seconds} s" in by_file[file].basis
        )
        assert by_file[file].hours == pytest.approx(epochs * seconds / 3600, rel=0.01)


def test_other_papers_are_refused():
    assert {target.paper for target in targets.targets("transfer")} == {"transfer"}
    for ask in (targets.targets, lambda paper: targets.measured(None, paper)):
        with pytest.raises(SnnlabError, match="did you mean delays"):
            ask("delay")


# ----------------------------------------------------------------------
# what is measured


def test_without_results_nothing_is_run_and_nothing_blank(tmp_path, monkeypatch):
    found = targets.table(tmp_path)
    assert len(found) == len(ALL) and set(found["status"]) == {"not run"}
    assert (
        (found["why"] != "").all()
        and (found["measured"] == "-").all()
        and found["mean"].isna().all()
    )
    assert (found["published"] != "").all() and (found["source"] != "").all()
    assert set(found.loc[found["command"] == "", "why"].str[:19]) == {"cannot be run here:"}
    with pytest.raises(SnnlabError, match="there is no such folder"):
        targets.measured(tmp_path / "nowhere")


def test_runs_need_not_be_there_if_nobody_named_them(monkeypatch, tmp_path, plans):
    monkeypatch.setattr(evidence, "planned", lambda file: plans[file])
    monkeypatch.chdir(tmp_path)
    assert {found.status for found in targets.measured()} == {Status.NOT_RUN}


def test_a_headline_is_reproduced_and_the_protocols_stay_apart(save):
    shd(save, TEN, "dense, published protocol", number=BEST)
    found = row(save.folder, HEADLINE, **PAPER)
    assert (found.status, found.why, found.seeds, found.planned) == (Status.REPRODUCED, "", 10, 10)
    assert found.estimate.mean == pytest.approx(0.95) and found.estimate.sd == pytest.approx(
        (1e-5 / 9) ** 0.5
    )
    assert row(save.folder, HEADLINE, **HELD_OUT).why == "no result"
    last = row(save.folder, HEADLINE, table="Table 1, SHD", protocol="last epoch")
    assert (last.status, last.why) == (
        Status.NOT_RUN,
        "results without last_epoch_accuracy of learned",
    )
    shown = targets.as_row(found)
    assert shown["published"] == "95.07 ± 0.24 %" and shown["measured"] == "95.00 ± 0.11 %"
    assert shown["seeds"] == "10 of 10" and shown["status"] == "reproduced"
    assert shown["measures"] == "best_on_test_accuracy of dense, published protocol: learned"
    assert shown["command"] == "snnlab sweep params/delays_shd.yaml"


@pytest.mark.parametrize(
    ("accuracy", "status"), [(0.94, Status.WITHIN), (0.93, Status.DIFFERS), (0.97, Status.DIFFERS)]
)
def test_a_headline_that_is_off(save, accuracy, status):
    shd(save, [accuracy] * 10, "dense, published protocol", number=BEST)
    assert row(save.folder, HEADLINE, **PAPER).status is status


STAND_INS = {
    "a name alone": lambda source: source.update(origin={}),
    "its folder's name": lambda source: source.update(name="my-shd"),
    "generated": lambda source: source.update(name="spoken-digits"),
    "checked, never fetched": lambda source: source["origin"].update(
        archives=[], checked={"counts": {"train": 8156}}
    ),
    "replaced after it was fetched": lambda source: source.update(sha256="1" * 64),
    "fewer recordings": lambda source: source["samples"].update(train=100),
}


@pytest.mark.parametrize("change", STAND_INS.values(), ids=STAND_INS)
def test_a_stand_in_never_stands_under_a_papers_number(save, change):
    source = genuine("shd")
    change(source)
    for configuration, number in (("dense, published protocol", BEST), ("dense", "test_accuracy")):
        shd(save, TEN, configuration, number=number, data=source)
    found = targets.table(save.folder)
    assert (
        set(found["status"]) == {"not run"}
        and set(found["measured"]) == {"-"}
        and found["mean"].isna().all()
    )
    why = row(save.folder, HEADLINE, **PAPER).why
    assert why.startswith("no result; 10 runs left out: 10 on "), why
    both = row(save.folder, "dense, learned against fixed", table="SHD").why
    # Two arms, and not twice as many runs
    assert both.startswith("no result; 10 runs left out: 10 on "), both


def test_stand_ins_beside_the_set_change_nothing_but_are_told(save):
    shd(save, TEN, "dense, published protocol", number=BEST)
    shd(save, [0.1] * 3, "dense, published protocol", number=BEST, data={"name": "spoken-digits"})
    later = "2027-01-01T00:00:00+00:00"
    shd(save, [0.2], "dense, published protocol", number=BEST, data={"name": "shd"}, finished=later)
    found = row(save.folder, HEADLINE, **PAPER)
    assert found.status is Status.REPRODUCED and found.estimate.mean == pytest.approx(0.95)
    assert found.why.startswith(
        "4 runs left out: 3 on spoken-digits, not shd; 1 on files without the checksums of shd"
    )


def test_another_profile_does_not_count(save):
    shd(save, TEN, profile="tiny", config={"profile": "tiny"})
    assert (
        row(save.folder, HEADLINE, **HELD_OUT).why
        == "no result; 10 runs left out: 10 at profile tiny"
    )


def test_a_result_of_edited_code_or_of_unknown_code_does_not_count(save):
    shd(save, TEN[:3], platform={"notebook_sha256": "ab" * 32, "notebook_edited": True})
    shd(save, TEN[:2], platform={"notebook_sha256": "", "notebook_edited": False})
    shd(save, TEN[:1], platform={})
    why = row(save.folder, HEADLINE, **HELD_OUT).why
    assert "no result; 6 runs left out" in why and "3 by an edited notebook" in why
    assert "3 by a notebook whose code was not recorded" in why
    shd(save, TEN, notebook="my_lesson")
    assert row(save.folder, HEADLINE, **HELD_OUT).why == why


@pytest.mark.parametrize(
    "config",
    [
        {"epochs": 149},
        {"hidden": [256]},
        {"limit": 100},
        {"protocol": "published"},
        {"tau_ms": [10.05, 20]},
    ],
)
def test_another_configuration_is_another_experiment(save, config):
    shd(save, TEN, config=config)
    assert row(save.folder, HEADLINE, **HELD_OUT).why == "no result"


def test_where_and_how_it_was_run_does_not_matter(save):
    shd(
        save,
        TEN,
        config={"device": "cuda", "workers": 3, "out": "x", "data": "/somewhere/shd", "live": True},
    )
    assert row(save.folder, HEADLINE, **HELD_OUT).seeds == 10


def test_ten_seeds_of_one_run_are_as_good_as_ten_runs(save):
    save(
        "delays_shd",
        "dense",
        *[("learned", seed, {"test_accuracy": a}) for seed, a in enumerate(TEN)],
        config={"seeds": 10},
    )
    assert row(save.folder, HEADLINE, **HELD_OUT).seeds == 10


def test_too_few_seeds_are_shown_and_decide_nothing(save):
    shd(save, TEN[:9])
    found = row(save.folder, HEADLINE, **HELD_OUT)
    assert (found.status, found.why, found.seeds) == (Status.NOT_RUN, "only 9 of 10 seeds", 9)
    assert targets.as_row(found)["measured"] == "94.99 ± 0.11 %"
    save("delays_shd", "dense", ("learned", 123, {"test_accuracy": 0.95}))  # any seed does
    assert row(save.folder, HEADLINE, **HELD_OUT).status is Status.REPRODUCED


def test_of_a_seed_that_was_run_again_the_latest_counts(save):
    shd(save, TEN, finished="2026-03-01T00:00:00+00:00")
    shd(save, [0.1] * 10, finished="2026-02-01T00:00:00+00:00")
    found = row(save.folder, HEADLINE, **HELD_OUT)
    assert found.estimate.mean == pytest.approx(0.95) and found.seeds == 10


def test_the_claims_of_fig_4(save):
    levels = {
        ("dense", "none"): 0.5,
        ("dense", "fixed"): 0.9,
        ("dense", "learned"): 0.94,
        ("dense, constant sigma", "learned"): 0.93,
        ("sparse", "none"): 0.3,
        ("sparse", "fixed"): 0.7,
        # Fmt: skip
        ("sparse", "learned"): 0.68,
        ("sparse, constant sigma", "learned"): 0.6799,
    }
    for (configuration, name), level in levels.items():
        shd(save, [level + step for step in (-0.002, 0.002) * 5], configuration, name)
    found = {
        one.target.row: one
        for one in targets.measured(save.folder)
        if one.target.table == "Fig. 4, SHD"
    }
    expected = {
        "dense, fixed against none": (Status.REPRODUCED, 0.4),
        "dense, learned against fixed": (Status.REPRODUCED, 0.04),
        "dense, sigma": (Status.REPRODUCED, 0.01),
        "sparse, fixed against none": (Status.REPRODUCED, 0.4),
        "sparse, learned against fixed": (Status.DIFFERS, -0.02),
        "sparse, sigma": (Status.WITHIN, 0.0001),
        "sparse against dense": (Status.DIFFERS, -0.06),
    }
    for name, (status, difference) in expected.items():
        assert found[name].status is status, name
        assert found[name].estimate.mean == pytest.approx(difference), name
    bar = found["dense, no delays"]
    assert (bar.status, bar.estimate.mean) == (Status.NO_REFERENCE, pytest.approx(0.5))
    shown = targets.as_row(found["dense, learned against fixed"])
    # sd 0.0021 of each, n = 10: sqrt(2 * 0.0021 ** 2 / 10) * t(0.975, 18) = 0.00094 * 2.101
    assert (
        shown["measured"] == "+4.00 points (3.80 to 4.20)"
        and shown["published"] == "learned delays beat fixed ones"
    )
    assert targets.as_row(bar)["published"] == "not known"


def test_a_claim_needs_all_seeds_of_both_sides(save):
    shd(save, [0.94, 0.95] * 5)
    shd(save, [0.9, 0.91], name="fixed")
    found = row(save.folder, "dense, learned against fixed", table="SHD")
    assert (found.status, found.why, found.seeds) == (Status.NOT_RUN, "only 2 of 10 seeds", 2)
    assert (
        row(save.folder, "dense, fixed against none", table="SHD").why
        == "results without test_accuracy of none"
    )


ES = "pipe_d_es_imagenet_resnet18"


def test_half_the_time_and_a_gain(save):
    def network(name, accuracy, seconds):
        return (name, 0, {"test_accuracy": accuracy, "cpu_seconds": seconds})

    grid = [
        {"handed_over": "nothing", "neurons": "LIAF", "seed": 0, "test_accuracy": 0.43},
        # Fmt: skip
        {"handed_over": "both", "neurons": "LIAF", "seed": 0, "test_accuracy": 0.51},
    ]
    networks = [network("pictures, LIF", 0.44, 510.0), network("scratch, 25 epochs", 0.4, 400.0),
                network("scratch, 60 epochs", 0.43, 1000.0)]  # fmt: skip
    save(ES, "", *networks, more={"ablation": grid})
    time = row(save.folder, "ResNet-18, time", table="ES-ImageNet")
    assert time.share == pytest.approx(0.51) and time.status is Status.WITHIN
    assert targets.as_row(time)["measured"] == "+1.00 points, in 0.51 of the time"
    gain = row(save.folder, "ResNet-18, LIF, gain of pretraining on ImageNet")
    assert gain.status is Status.WITHIN and gain.estimate.mean == pytest.approx(0.04)
    assert targets.as_row(gain)["published"] == "+3.85 points"
    assert row(save.folder, "ResNet-18, LIAF, pretrained on itself").estimate.mean == 0.51
    assert (
        row(save.folder, "ResNet-18, LIAF, gain of pretraining on itself").status
        is Status.REPRODUCED
    )
    assert row(save.folder, "ResNet-34, LIF, from scratch").why == "no result"


def test_time_that_was_not_measured_decides_nothing(save):
    save(
        ES,
        "",
        ("pictures, LIF", 0, {"test_accuracy": 0.44}),
        ("scratch, 60 epochs", 0, {"test_accuracy": 0.43}),
    )
    time = row(save.folder, "ResNet-18, time", table="ES-ImageNet")
    assert (time.status, time.why) == (Status.NOT_RUN, "results without cpu_seconds")


def test_pretraining_on_a_stand_in_does_not_count(save):
    source = genuine("es-imagenet")
    source["pretraining"]["pictures"]["samples"] = {"train": 100, "valid": 10, "test": 50}
    save(ES, "", ("pictures, LIF", 0, {"test_accuracy": 0.44}), data=source)
    assert (
        "1 pretrained on other data"
        in row(save.folder, "ResNet-18, LIF, pretrained on ImageNet").why
    )


def test_damaged_results_are_named_and_the_rest_counts(save):
    shd(save, TEN)
    half = save("delays_shd", "dense")
    half.write_text(half.read_text()[:50])
    with pytest.warns(UserWarning, match=re.escape(f"{half}: no readable JSON")):
        assert row(save.folder, HEADLINE, **HELD_OUT).seeds == 10


# ----------------------------------------------------------------------
# the command


def command(*arguments):
    return CliRunner().invoke(main.app, ["targets", *map(str, arguments)], env={"COLUMNS": "200"})


def test_the_command_prints_the_rows_and_writes_them(save, tmp_path):
    shd(save, TEN, "dense, published protocol", number=BEST)
    save("delays_shd", "dense").write_text("{")
    done = command(save.folder, "--paper", "delays", "--out", tmp_path / "table.csv", "--all")
    assert done.exit_code == 0, done.output
    cells = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in done.stdout.splitlines()
        if "│" in line
    ]
    assert (cells[0][2], *cells[0][4:]) == (
        "95.07 ± 0.24 %",
        "95.00 ± 0.11 %",
        "10 of 10",
        "reproduced",
    )
    assert "(not confirmed)" in " ".join(done.stdout.split()) and "ImageNet" not in done.stdout
    assert "not run: " in done.stdout  # and the reason
    assert done.stderr.count("\n") == 1 and "no readable JSON" in done.stderr
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == len(targets.targets("delays")) and table.loc[0, "mean"] == pytest.approx(
        0.95
    )
    assert {"paper", "table", "row", "published", "measured", "status", "why", "GPU-hours"} <= set(
        table
    )


def test_one_line_a_command_fits_a_screen(save):
    shd(save, TEN, "dense, published protocol", number=BEST)
    done = CliRunner().invoke(main.app, ["targets", str(save.folder)], env={"COLUMNS": "100"})
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) <= 26
    cells = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in done.stdout.splitlines()
        if "│" in line
    ]
    rows = [row for row in targets.targets() if row.command.endswith("delays_shd.yaml")]
    assert cells[0][0] == "Table 1, Fig. 4" and cells[0][1].startswith(f"2 of {len(rows)}: ")
    assert cells[0][2:] == ["1.8", "snnlab sweep params/delays_shd.yaml"]
    assert cells[1] == ["Table 1, Fig. 4", "0 of 23", "?", "snnlab sweep params/delays_ssc.yaml"]
    flat = " ".join(done.stdout.split())
    commands = {row.command for row in targets.targets() if row.command}
    assert all(command.split()[-1] in done.stdout for command in commands)
    assert f"{sum(not row.command for row in targets.targets())} rows more cannot" in flat


def test_the_command_refuses_in_a_sentence(tmp_path):
    for arguments in (("--paper", "delay"), (tmp_path / "nowhere",)):
        done = command(*arguments)
        assert (
            done.exit_code == 2
            and done.stderr.startswith("snnlab: ")
            and done.stderr.count("\n") == 1
        )


def test_the_command_works_in_any_folder(save, tmp_path, monkeypatch):
    shd(save, TEN)
    monkeypatch.setattr(evidence, "planned", PLANNED)
    expected = command(save.folder).stdout
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = command(save.folder)
    assert (done.exit_code, done.stdout, done.stderr) == (0, expected, "")
    assert command().exit_code == 0  # without runs/


def test_the_authors_logs_agree_with_the_rows_that_quote_them():
    quoted = [
        (row.value, row.spread, row.runs)
        for row in targets.targets("transfer")
        if row.source == "authors' logs"
    ]
    logs = targets.author_logs()
    assert {group.start for group in logs} == {"scratch", "pretrained", "in doubt"}
    for group in logs:
        if group.start != "in doubt":
            numbers = round(group.mean, 3), round(group.sd, 3), group.runs
            assert numbers in quoted, group.tag
