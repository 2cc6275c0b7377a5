"""What a file of a sweep says, and what the rest of it will cost."""

import json
import os
import re
from pathlib import Path

import pytest
import sweeps
from click.testing import CliRunner

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.course.config import read_parameters, resolve
from snnlab.runs import execute, manifest, tables
from snnlab.runs import run as run_module
from snnlab.runs.notebook_code import notebook_code
from snnlab.runs.result import load_result
from snnlab.runs.sweep import cost as sweep_cost
from snnlab.runs.sweep import sweep, worker

ROOT = Path(__file__).parents[3]
DATA = {"name": "made here", "note": "random numbers"}


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_PROFILE", raising=False)
    return tmp_path


@pytest.fixture
def snnlab():
    return lambda *arguments: CliRunner().invoke(
        main.app, [str(argument) for argument in arguments]
    )


def finish(run, accuracy=0.5, seeds=None):
    """Leave what a run leaves."""
    began = sweeps.start(run)
    entries = [
        {"variant": "plain", "seed": s, "test_accuracy": accuracy}
        for s in seeds or [run.config.seed]
    ]
    began.save_result(entries, data=DATA)


def test_configurations_come_in_their_order_and_the_seeds_of_each_together(tmp_path):
    plan = sweeps.read(
        tmp_path,
        seeds=[3, 1],
        grid={"neurons": [20, 10], "tau_ms": [5]},
        configurations={"short": {"duration_ms": 100}, "usual": None},
    )
    assert [run.name for run in plan.runs] == [
        f"{name}, neurons={n}, tau_ms=5, seed={seed}"
        for name in ("short", "usual")
        for n in (20, 10)
        for seed in (3, 1)
    ]
    first, last = plan.runs[0].config, plan.runs[-1].config
    assert (first.profile, first.seed, first.neurons, first.tau_ms, first.duration_ms) == (
        "tiny",
        3,
        20,
        5.0,
        100.0,
    )
    assert (last.seed, last.neurons, last.duration_ms, last.seeds) == (1, 10, 200.0, 1)
    assert plan.runs[0].dir.parent == plan.runs[1].dir.parent
    assert len({run.dir for run in plan.runs}) == 8
    assert all(
        run.dir.parts[-4:-2] == ("runs", "small") and Path(run.given["out"]) == run.dir
        for run in plan.runs
    )


def test_a_run_of_a_sweep_is_the_run_that_the_same_parameters_give_alone(tmp_path):
    run = sweeps.read(tmp_path).runs[1]
    alone = resolve("01_lif_dynamics", profile="tiny", seed=1, seeds=1, neurons=10)
    assert run.dir == runs.run_folder(alone, "small", notebook_code(run.notebook))


def test_without_configurations_there_is_one_run_a_seed(tmp_path):
    plan = sweeps.read(tmp_path, grid=None)
    assert [run.name for run in plan.runs] == ["seed=0", "seed=1"]
    (tmp_path / "small.yaml").write_text("notebook: 01")
    assert [
        (run.name, run.config.profile) for run in sweep.Sweep(tmp_path / "small.yaml").runs
    ] == [("seed=0", "course")]


def test_a_profile_of_the_environment_goes_with_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_PROFILE", "tiny")
    assert sweeps.read(tmp_path, profile=None).runs[0].given["profile"] == "tiny"


def test_a_configuration_goes_before_common_parameters_and_the_command_line_before_all(tmp_path):
    more = dict(
        grid=None, parameters={"neurons": 5, "tau_ms": 7}, configurations={"a": {"neurons": 6}}
    )
    config = sweeps.read(tmp_path, **more).runs[0].config
    assert (config.neurons, config.tau_ms) == (6, 7.0)
    config = sweep.Sweep(tmp_path / "small.yaml", {"neurons": "8"}).runs[0].config
    assert (config.neurons, config.tau_ms) == (8, 7.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"epochs": 3}, "small.yaml: There is no key of a sweep called 'epochs'"),
        ({"seed": [1]}, r"called 'seed' \(did you mean seeds\?\)"),
        ({"notebook": "01_lif_dynamic"}, r"small.yaml, notebook: .*did you mean 01_lif_dynamics\?"),
        ({"profile": "corse"}, r"small.yaml, neurons=10: .*did you mean course\?"),
        ({"seeds": 3}, r"small.yaml: seeds is 3; expected a list of whole numbers"),
        ({"seeds": []}, r"seeds is \[\]; expected a list"),
        ({"seeds": ["a"]}, r"small.yaml, seeds: seed = 'a'"),
        ({"seeds": [0, 0]}, "'neurons=10, seed=0' and 'neurons=10, seed=0' are the same run"),
        (
            {"parameters": {"neuron": 3}},
            r"small.yaml, parameters: .*'neuron' \(did you mean neurons\?\)",
        ),
        (
            {"parameters": {"seed": 3}},
            "parameters has seed, which belongs to the whole sweep; write `seeds`",
        ),
        ({"parameters": {"out": "x"}}, "parameters has out, which belongs to the whole sweep"),
        ({"parameters": [3]}, r"small.yaml: parameters is \[3\]; expected names"),
        (
            {"grid": {"neurons": 10}},
            "small.yaml: grid, neurons is 10; expected a list of values",
        ),
        ({"grid": {"neurons": []}}, r"grid, neurons is \[\]; expected a list"),
        (
            {"grid": {"neurons": [10, 0]}},
            "small.yaml, grid: neurons = 0: expected a whole number from 1",
        ),
        (
            {"grid": {"neurons": [10, 10]}},
            "'neurons=10, seed=0' and 'neurons=10, seed=0' are the same run",
        ),
        (
            {"grid": {"live": [True, False]}},
            "'live=True, seed=0' and 'live=False, seed=0' are the same run",
        ),
        (
            {"configurations": {"a": {"neuron": 3}}},
            "small.yaml, configurations, a: .*did you mean neurons",
        ),
        (
            {"configurations": {"a": {"neurons": 3}}},
            "neurons stands in grid and in configurations, a; keep one",
        ),
        (
            {"grid": None, "configurations": {"a": {}, "b": {}}},
            "'a, seed=0' and 'b, seed=0' are the same run",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path, more, words):
    with pytest.raises(SnnlabError, match=words):
        sweeps.read(tmp_path, **more)
    assert not (tmp_path / "runs").exists()


def test_configurations_keep_the_names_that_they_have_in_the_file(tmp_path):
    path = sweeps.write(tmp_path, seeds=[0], grid=None)
    path.write_text(
        path.read_text()
        + "configurations: {1: {neurons: 10}, true: {neurons: 20}, null: {neurons: 30}}\n"
    )
    assert [run.configuration for run in sweep.Sweep(path).runs] == ["1", "true", "null"]
    path.write_text(path.read_text().replace("null:", "true:"))
    with pytest.raises(SnnlabError, match=r"small.yaml: .*line \d+: true is there twice"):
        sweep.Sweep(path)


def test_a_sweep_of_a_million_runs_is_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "plan", None)  # nothing gets that far
    names = ("neurons", "training_steps", "seeds")
    with pytest.raises(SnnlabError, match="make 2,000,000 runs; expected at most 10,000"):
        sweeps.read(tmp_path, grid={name: list(range(1, 101)) for name in names}, parameters=None)


def test_a_sweep_takes_an_edited_copy_and_is_another_one_when_that_changes(tmp_path):
    path = sweeps.write(tmp_path)
    copy = tmp_path / "my_lesson.ipynb"
    os.replace(tmp_path / "notebooks/01_lif_dynamics.ipynb", copy)
    path.write_text(path.read_text().replace("'01'", str(copy)))
    before = sweep.Sweep(path)
    finish(before.runs[0])
    assert [run.finished is not None for run in before.runs] == [True, False, False, False]
    copy.write_text(copy.read_text().replace("/ 100", "/ 50"))
    assert before.runs[0].finished  # as it was planned
    after = sweep.Sweep(path)
    assert not {run.dir for run in before.runs} & {run.dir for run in after.runs}
    outcome = worker.Task(copy, before.runs[1].code.sha256, before.runs[1].given)()
    assert (
        outcome.status == "failed"
        and "its code has changed since the sweep was started" in outcome.text
    )


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("parameters: {size: 64}", ""),
        ("grid: {data: [cifar10-dvs, es-imagenet], size: [64]}", "data=es-imagenet, size=64: "),
        ("configurations: {a: {data: cifar10-dvs, size: 64}, b: {size: 64}}", "b: "),
    ],
)
def test_a_parameter_that_changes_nothing_in_one_of_the_runs_is_refused(tmp_path, more, where):
    notebook = ROOT / "notebooks/03_transfer_to_event_streams.ipynb"
    (tmp_path / "x.yaml").write_text(f"notebook: {notebook}\nprofile: paper\n{more}")
    with pytest.raises(SnnlabError, match=f"x.yaml(, |: ){where}size = 64 changes nothing where"):
        sweep.Sweep(tmp_path / "x.yaml")


def test_a_file_without_a_notebook_and_a_missing_one_are_refused(tmp_path):
    (tmp_path / "empty.yaml").write_text("seeds: [1]")
    with pytest.raises(SnnlabError, match="says no notebook"):
        sweep.Sweep(tmp_path / "empty.yaml")
    with pytest.raises(SnnlabError, match="none.yaml: no readable YAML"):
        sweep.Sweep(tmp_path / "none.yaml")


def test_mistakes_on_the_command_line_end_with_code_2(snnlab, tmp_path):
    path = sweeps.write(tmp_path)
    for arguments, words in (
        (["-p", "neuron", 3], "did you mean neurons?"),
        (["-p", "seed", 3], "-p seed: a sweep has it from its file"),
        (["-p", "neurons", 3, "-p", "neurons", 4], "given twice"),
        (["-p", "neurons", 3], "-p neurons: grid has values for it; leave -p out"),
    ):
        done = snnlab("sweep", path, *arguments)
        assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1, (
            done.output
        )


def test_the_state_of_a_run_is_what_its_folder_says(tmp_path):
    new, begun, failed, finished = (plan := sweeps.read(tmp_path)).runs
    sweeps.start(begun)
    sweeps.start(failed)
    manifest.end(failed.dir, "failed", error="no such luck")
    finish(finished)
    assert [sweep_cost.state(run).split()[0] for run in plan.runs] == [
        "new",
        "begun",
        "failed",
        "finished",
    ]
    assert plan.left == [new, begun, failed] and finished.finished


def test_a_result_is_read_once_until_it_is_another(tmp_path, monkeypatch):
    first, second = sweeps.read(tmp_path).runs[:2]
    finish(first), finish(second)
    read = []
    monkeypatch.setattr(
        run_module, "load_result", lambda file: read.append(file) or load_result(file)
    )
    path = first.dir / "result.json"
    whole = path.read_text()
    since = first.finished
    assert since and [first.finished, first.finished] == [since, since] and read == [path]
    assert second.finished and read == [path, second.dir / "result.json"]
    path.write_text(re.sub('"finished": ".*"', '"finished": "2031-01-01T00:00:00+00:00"', whole))
    assert first.finished == "2031-01-01T00:00:00+00:00"
    path.write_text(whole[: len(whole) // 2])
    for _ in range(2):
        with pytest.raises(SnnlabError, match="result.json: no readable JSON"):
            first.finished  # noqa: B018
    path.unlink()
    assert not first.finished


def test_a_run_that_was_killed_after_its_result_is_finished(tmp_path):
    run = sweeps.read(tmp_path).runs[0]
    finish(run)
    content = json.loads((run.dir / "manifest.json").read_text())
    (run.dir / "manifest.json").write_text(
        json.dumps(content | {"status": "running", "finished": "", "data": {}})
    )
    assert run.finished
    after = manifest.read(run.dir)
    assert after["status"] == "finished" and after["data"]["name"] == "made here"


def test_seeds_that_train_the_same_networks_twice_are_noted(tmp_path):
    assert sweeps.read(tmp_path).note == ""
    assert sweeps.read(tmp_path, seeds=[6, 0, 3], parameters={"seeds": 3}).note == ""
    assert (
        "A run trains 4 networks of each kind"
        in sweeps.read(tmp_path, seeds=[6, 0, 3], parameters={"seeds": 4}).note
    )


def test_the_table_has_mean_and_deviation_over_seeds(tmp_path):
    plan = sweeps.read(tmp_path, seeds=[0, 1, 2])
    for run, accuracy in zip(plan.runs[:3], (0.5, 0.6, 0.7), strict=True):
        finish(run, accuracy)
    finish(plan.runs[3], 0.25)
    (table,) = tables.summary_tables(runs.summary(plan.collected()))
    assert sorted(list(map(str, row)) for row in table.sections[0]) == [
        ["10", "plain", "3", "60.0 ± 10.0"],
        ["20", "plain", "1", "25.0"],
    ]


def test_only_runs_of_the_file_are_in_the_table(tmp_path):
    before = sweeps.read(tmp_path, seeds=[0, 1])
    for run in before.runs:
        finish(run, 0.5)
    now = sweeps.read(tmp_path, seeds=[1])
    other = now.folder / "old/result.json"  # of another version, or damaged
    other.parent.mkdir()
    for content in ('{"schema": 1}', "no JSON"):
        other.write_text(content)
        assert now.collected()["seed"].tolist() == [1, 1]
    assert sweeps.read(tmp_path, seeds=[7]).collected() is None


def test_a_seed_that_two_runs_trained_counts_once(tmp_path):
    plan = sweeps.read(tmp_path, parameters={"seeds": 2}, grid=None)
    finish(plan.runs[0], 0.5, seeds=[0, 1])
    finish(plan.runs[1], 0.8, seeds=[1, 2])
    (table,) = tables.summary_tables(runs.summary(plan.collected()))
    assert table.sections == [[["plain", 3, "70.0 ± 17.3"]]]  # 50, 80, 80: the latest counts


def test_a_dry_run_says_what_is_done_and_touches_nothing(tmp_path, snnlab):
    plan = sweeps.read(tmp_path)
    finish(plan.runs[0])
    before = sorted(path for path in tmp_path.rglob("*"))
    done = snnlab("sweep", plan.path, "--dry-run")
    assert done.exit_code == 0, done.output
    states = [line.split("│")[2].split() for line in done.stdout.splitlines() if "neurons=" in line]
    assert [words[0] for words in states if words] == ["finished", "new", "new", "new"]
    assert "3 of 4 runs to do" in done.stdout.replace("\n", " ")
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_finished_sweep_only_prints_its_table(tmp_path, snnlab, monkeypatch):
    plan = sweeps.read(tmp_path)
    for run in plan.runs:
        finish(run)
    for executor in ("local", "slurm"):
        done = snnlab("sweep", plan.path, "--executor", executor)
        assert done.exit_code == 0 and "50.0" in done.stdout, done.output
    assert not (plan.folder / "workers").exists()


DELAYS = dict(notebook="04", grid=None, seeds=[0, 1], parameters={"seeds": 1, "epochs": 4})


@pytest.fixture
def delays(tmp_path):
    """A sweep of a notebook that trains."""

    def read(**parameters):
        path = sweeps.write(tmp_path, **DELAYS | {"parameters": DELAYS["parameters"] | parameters})
        os.replace(
            tmp_path / "notebooks/01_lif_dynamics.ipynb",
            tmp_path / "notebooks/04_learning_delays.ipynb",
        )
        return sweep.Sweep(path)

    return read


def train(run, seconds, *, whole=True):
    """Leave the epochs of two networks, the second not whole if it was killed."""
    began = sweeps.start(run)
    lines = [json.dumps({"epoch": i, "seconds": s}) + "\n" for i, s in enumerate(seconds)]
    (began.checkpoint_dir / "a.jsonl").write_text("".join(lines))
    (began.checkpoint_dir / "b.jsonl").write_text("".join(lines) if whole else '{"epoch": 0, "seco')
    if whole:
        began.save_result(
            [{"variant": "plain", "seed": run.config.seed, "test_accuracy": 0.5}], data=DATA
        )


def cost(plan, device="cpu"):
    return [
        sweep_cost.remaining_hours(run, sweep_cost.measured_runs("04_learning_delays", device))
        for run in plan.runs
    ]


def test_cost_is_seconds_an_epoch_times_epochs_to_do(delays):
    plan = delays()
    assert cost(plan) == [None, None]
    train(plan.runs[0], [900.0] * 4)  # 2 networks of 4 epochs
    assert cost(plan)[1] == pytest.approx(2.0)
    # 2 of 8 are done; 8 x 900 s and 2 x 1800 s in the mean
    train(plan.runs[1], [1800.0, 1800.0], whole=False)
    assert cost(plan)[1] == pytest.approx(6 * 1080 / 3600)


def test_lines_that_no_training_wrote_cost_nothing(delays):
    run = delays().runs[0]
    train(run, [900.0] * 4)
    strange = [
        "[" * 100_000,
        "3",
        '{"seconds": null}',
        '{"seconds": ' + "9" * 400 + "}",
        "{",
        "\xff",
    ]
    with (run.dir / "metrics.jsonl").open("a", encoding="latin-1") as file:
        file.writelines(f"{line}\n" for line in strange)
    assert cost(delays(epochs=8))[1] == pytest.approx(4.0)


def test_cost_grows_with_epochs_and_falls_with_networks_at_a_time(delays):
    train(delays().runs[0], [900.0] * 4)
    assert cost(delays(epochs=8))[1] == pytest.approx(4.0)
    assert cost(delays(epochs=8, workers=2))[1] == pytest.approx(4.0)  # it was measured with one
    train(delays(workers=2, epochs=5).runs[0], [900.0] * 5)
    assert cost(delays(epochs=5))[1] == pytest.approx(10 * 900 / 3600 / 2)


def test_cost_counts_every_gpu_of_a_run(tmp_path):
    def read(**parameters):
        path = sweeps.write(
            tmp_path,
            notebook="02",
            grid=None,
            parameters={"seeds": 1, "processes": 2, **parameters},
        )
        os.replace(
            tmp_path / "notebooks/01_lif_dynamics.ipynb",
            tmp_path / "notebooks/02_pretrain_and_transfer.ipynb",
        )
        return sweep.Sweep(path)

    train(read().runs[0], [900.0] * 4)
    left = sweep_cost.measured_runs("02_pretrain_and_transfer", "cpu")
    assert sweep_cost.remaining_hours(read().runs[1], left) == pytest.approx(4.0)
    assert sweep_cost.remaining_hours(read(processes=1).runs[1], left) is None


def test_what_was_measured_elsewhere_or_of_another_network_is_no_measure(delays):
    train(delays().runs[0], [900.0] * 4)
    assert cost(delays(hidden=[8]))[1] is None
    assert cost(delays(device="cuda"))[1] is None
    assert cost(delays(), device="Some GPU")[1] is None
    assert cost(delays(live=True))[1] == pytest.approx(2.0)


def test_of_unfinished_runs_alone_nothing_is_said(delays):
    plan = delays()
    train(plan.runs[0], [900.0] * 2, whole=False)
    assert cost(plan) == [None, None]


def test_the_sum_stands_below_the_dry_run(delays, snnlab):
    plan = delays()
    train(plan.runs[0], [900.0] * 4)
    caption = str(sweep_cost.cost_table(plan, "cpu").caption)
    assert caption.startswith("1 of 2 runs to do below ") and caption.endswith(
        ": 2 hours of a worker on cpu"
    )
    assert str(sweep_cost.cost_table(plan, "Some GPU").caption).endswith(": 1 of them not measured")


def test_before_anything_is_measured_the_hours_are_the_published_ones(delays, snnlab, monkeypatch):
    plan = delays()
    train(plan.runs[0], [900.0] * 4)
    caption = str(sweep_cost.cost_table(plan, "Some GPU", (1.5, "3 s an epoch")).caption)
    words = ": 1 of them not measured: 1.5 GPU-hours by published epochs (3 s an epoch)"
    assert caption.endswith(words)
    monkeypatch.chdir(ROOT)
    for more, published in (([], True), (["-p", "max_delay", "3"], False)):
        done = snnlab("sweep", "params/delays_shd.yaml", "--dry-run", *more)
        words = "not measured: 90 GPU-hours by published epochs (at most; 10.6 s an epoch"
        assert (words in " ".join(done.stdout.split())) == published, done.stdout


def test_a_file_of_params_that_is_absent_has_the_name_that_was_given(snnlab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = snnlab("sweep", "params/none.yaml", "--dry-run")
    assert done.exit_code == 2 and done.stderr.startswith("snnlab: params/none.yaml: no readable")


SWEEPS = [path for path in (ROOT / "params").glob("*.yaml") if "notebook" in read_parameters(path)]


@pytest.mark.parametrize("path", SWEEPS, ids=[path.stem for path in SWEEPS])
def test_every_sweep_that_ships_can_be_read_and_says_how_to_run_it(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = sweep.Sweep(path)
    assert len(plan.runs) > 1 and plan.note == ""
    assert f"#   snnlab sweep params/{path.name}" in path.read_text()
