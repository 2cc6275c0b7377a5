"""Searches: what a file may say, how trials are drawn, shared, pruned and taken over."""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import nbformat
import pytest
import sweeps
import yaml
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook
from rich.console import Console

from snnlab import runs
from snnlab._utils.errors import SnnlabError
from snnlab.cli import main
from snnlab.course.config import parse_parameters
from snnlab.runs import execute, manifest, preflight
from snnlab.runs.collection import read_results
from snnlab.runs.sweep import search, search_tables
from snnlab.runs.sweep.cost import Measured
from snnlab.runs.sweep.search import SearchTask, Trials, run_search
from snnlab.runs.sweep.search_file import Search
from snnlab.runs.sweep.search_tables import best_command, trials_table
from snnlab.runs.sweep.worker import RunOutcome

FILE = {
    "notebook": "01",
    "profile": "tiny",
    "parameters": {"seeds": 1},
    "grid": {
        "neurons": {"low": 10, "high": 90},
        "tau_ms": {"low": 2, "high": 50, "log": True},
        "duration_ms": [100, 200],
    },
    "search": {"trials": 5},
}


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(manifest, "machine", dict)
    measured = '"valid_accuracy": config.neurons / 100, "test_accuracy"'
    monkeypatch.setattr(sweeps, "SAVE", sweeps.SAVE.replace('"test_accuracy"', measured))
    return tmp_path


def write(folder, middle="", **more):
    sweeps.write(folder, middle)
    path = folder / "find.yaml"
    path.write_text(yaml.safe_dump(FILE | more, sort_keys=False))
    return path


def opened(folder, **more):
    return Trials(Search(write(folder, **more)))


class Pool:
    """In place of the workers: a run writes the curve of its network, and then its result."""

    def __init__(self, curve=lambda config: [config.neurons / 100], outcome=None):
        self.curve, self.outcome, self.stopping = curve, outcome, threading.Event()
        self.runs = []

    def run(self, run, *, wait, stop):
        self.runs.append(run)
        if self.outcome:
            return self.outcome
        started = sweeps.start(run)
        accuracies = self.curve(run.config)
        for number, _ in enumerate(accuracies, 1):
            lines = [f'{{"valid_accuracy": {accuracy}}}\n' for accuracy in accuracies[:number]]
            (started.checkpoint_dir / "net-plain.jsonl").write_text("".join(lines))
            if stop():
                return RunOutcome("pruned")
        accuracy = max(accuracies)
        entry = {"variant": "plain", "seed": 0, "valid_accuracy": accuracy, "test_accuracy": 0.9}
        started.save_result([entry], {"name": "made here", "note": "a number"})
        return RunOutcome("finished")


@pytest.fixture
def run(monkeypatch):
    """Run the trials in this process, in one call a worker."""

    def all_of(trials, pool=None, workers=1):
        pool = pool or Pool()
        monkeypatch.setattr(
            search,
            "in_workers",
            lambda _, call, *, workers, **__: [call(pool) for _ in range(workers)],
        )
        return run_search(trials, workers=workers, retries=0, console=Console(quiet=True))

    return all_of


def test_the_last_step_of_a_range_may_end_below_its_end(checkout, run, recwarn):
    grid = {"neurons": {"low": 10, "high": 19, "step": 5}}
    trials = opened(checkout, grid=grid)
    assert run(trials) == [] and not recwarn.list
    assert {trial.params["neurons"] for trial in trials.of_state("COMPLETE")} <= {10, 15}


def test_a_step_is_whole_in_any_spelling(checkout):
    def search(step):
        return Search(write(checkout, grid={"neurons": {"low": 10, "high": 18, "step": step}}))

    assert search(2.0).drawn == search(2).drawn and search(2.0).identity == search(2).identity
    trial, _ = Trials(search(2.0)).claim()
    assert trial.params["neurons"] in range(10, 19, 2)


def test_a_journal_that_ends_with_half_a_line_is_resumed_and_a_damaged_one_is_refused(
    checkout, run
):
    run(opened(checkout))
    journal = checkout / "runs/find/search.journal"
    complete = journal.read_bytes()
    journal.write_bytes(complete + b'{"op_code": 4, "wor')
    trials = opened(checkout, search={"trials": 6})
    assert run(trials) == [] and trials.done == 6
    journal.write_bytes(b"\xff\n" + complete)
    with pytest.raises(SnnlabError, match=r"search\.journal: cannot be read .* remove it"):
        opened(checkout)
    journal.unlink()
    trials = opened(checkout)
    pool = Pool()
    assert run(trials, pool) == [] and trials.done == 5 and not pool.runs


def test_a_journal_that_can_no_longer_be_written_is_one_sentence(checkout, run):
    trials = opened(checkout)

    def curve(config):
        os.replace(trials.search.folder / "search.journal", checkout / "away")
        return [0.5]

    with pytest.raises(SnnlabError, match=r"search\.journal: cannot be read or written"):
        run(trials, Pool(curve))


def test_trials_are_drawn_from_ranges_and_lists_until_there_are_enough(checkout, run):
    trials = opened(checkout)
    assert run(trials) == []
    assert trials.drawn == 5 and len(trials.of_state("COMPLETE")) == 5
    for trial in trials.of_state("COMPLETE"):
        values = trials.search.values(trial.params)
        assert type(values["neurons"]) is int and 10 <= values["neurons"] <= 90
        assert type(values["tau_ms"]) is float and 2 <= values["tau_ms"] <= 50
        assert values["duration_ms"] in (100, 200)
        assert trial.value == values["neurons"] / 100  # of validation, not 0.9
    table = trials_table(trials)
    best = max(trials.of_state("COMPLETE"), key=lambda trial: trial.value)
    assert table.columns == ["trial", "valid accuracy (%)", "neurons", "tau_ms", "duration_ms"]
    assert table.sections[0][0][:3] == [
        best.number,
        f"{100 * best.value:.1f}",
        str(best.params["neurons"]),
    ]
    assert table.caption == "Trials: 5 complete."
    command = best_command(trials)
    assert command.startswith("snnlab run 01 -p profile tiny -p seeds 1 -p neurons ")
    assert f"-p tau_ms {best.params['tau_ms']} " in command
    collected = runs.collect("runs/find")
    assert len(collected) == 5 and collected["valid_accuracy"].max() == best.value


def test_a_larger_number_goes_on_and_other_ranges_are_another_search(checkout, run):
    run(opened(checkout, search={"trials": 2}))
    more = opened(checkout, search={"trials": 3})
    pool = Pool()
    assert run(more, pool) == [] and len(pool.runs) == 1
    assert opened(checkout, grid={"neurons": [10, 20]}).drawn == 0


def test_a_range_of_a_list_draws_a_list_of_one_number(checkout):
    path = course_file(
        checkout,
        parameters={"variants": ["learned"], "toys": False},
        grid={"tau_ms": {"low": 30, "high": 60}, "hidden": [[8], [8, 8]]},
        search={"trials": 1, "arm": "learned"},
    )
    read = Search(path)
    values = read.values({"tau_ms": 31.5, "hidden": "[8, 8]"})
    assert values == {"tau_ms": [31.5], "hidden": [8, 8]}
    config = read.run(0, {"tau_ms": 31.5, "hidden": "[8, 8]"}).config
    assert config.hidden == (8, 8)
    trials = Trials(read)
    trial, _ = trials.claim()
    trials.finish(trial, "COMPLETE", 0.5)
    words = shlex.split(best_command(trials))
    texts = dict(zip(words[4::3], words[5::3], strict=True))
    assert words[:4] == ["snnlab", "run", "04", "-p"] and texts["variants"] == "[learned]"
    again = execute.plan(read.notebook, parse_parameters("04_learning_delays", texts)).config
    assert again.deciding() == read.run(0, trial.params).config.deciding()


NOTEBOOKS = os.path.abspath("notebooks")


def course_file(checkout, **changes):
    """A search of notebook 04, in a checkout with the notebooks."""
    content = {"notebook": "04", "grid": {"max_delay": [6, 12]}, "search": {"trials": 2}} | changes
    (checkout / "pyproject.toml").touch()
    (checkout / "notebooks").symlink_to(NOTEBOOKS)
    (checkout / "f.yaml").write_text(yaml.safe_dump(content))
    return checkout / "f.yaml"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"trials": 2, "maximise": "test_accuracy"}}, "maximise is 'test_accuracy'; "),
        ({"search": {"trials": 2, "maximise": "best_on_test_accuracy"}}, "says nothing about new"),
        ({"search": {"trials": 0}}, "trials = 0: expected a whole number from 1"),
        ({"search": {}}, "trials = None: expected a whole number"),
        ({"search": 5}, "search is 5; expected {trials: 20}"),
        ({"search": {"trial": 3}}, "no key of a search called 'trial' .did you mean trials"),
        ({"seeds": [0, 1]}, "seeds is .0, 1.; a search has one"),
        ({"seeds": ["a"]}, "seed = 'a': expected a whole number"),
        ({"seeds": [[1]]}, "seed = .1.: expected a whole number"),
        ({"seeds": [1.7]}, "seed = 1.7: expected a whole number"),
        ({"seeds": [True]}, "seed = True: expected a whole number"),
        ({"configurations": {}}, "no key of a search called 'configurations'"),
        ({"grid": {}}, "grid is {}; expected parameters to draw"),
        ({"grid": {"neuron": [1, 2]}}, "no parameter of .* 'neuron' .did you mean neurons"),
        ({"grid": {"neuron": {"low": 1, "high": 2}}}, "no parameter of .*'neuron'"),
        ({"grid": {"neurons": {"low": 90, "high": 10}}}, "expected numbers low < high"),
        ({"grid": {"neurons": {"low": 10}}}, "expected numbers low < high"),
        ({"grid": {"neurons": {"low": 1.5, "high": 20}}}, "neurons = 1.5: expected a whole"),
        ({"grid": {"neurons": {"low": 10, "hi": 20}}}, "no key of a range called 'hi'"),
        ({"grid": {"live": {"low": False, "high": True}}}, "expected numbers low < high"),
        (
            {"grid": {"neurons": {"low": 10, "high": 20, "log": True, "step": 2}}},
            "log needs a low above 0, and no step",
        ),
        ({"grid": {"neurons": {"low": 10, "high": 20, "step": 11}}}, "step is 11; expected"),
        (
            {"grid": {"neurons": {"low": 10, "high": 20, "step": 1.5}}},
            "step is 1.5; expected a whole",
        ),
        ({"grid": {"tau_ms": {"low": 2, "high": 3, "step": 1e-300}}}, "step is 1e-300; expected a"),
        ({"grid": {"neurons": {"low": 10, "high": 20, "step": True}}}, "step is True; expected a"),
        ({"grid": {"seeds": [1, 2]}}, "seeds is drawn from grid and given"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(checkout, changes, message):
    path = write(checkout, **changes)
    with pytest.raises(SnnlabError, match=message):
        Search(path)


def test_a_notebook_without_a_seed_is_searched(checkout):
    cell = new_code_cell("gain = 1.0", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell]), checkout / "own.ipynb")
    path = checkout / "own.yaml"
    content = {"notebook": str(checkout / "own.ipynb"), "grid": {"gain": [1, 2]}}
    path.write_text(yaml.safe_dump(content | {"search": {"trials": 1}}))
    trials = Trials(Search(path))
    trial, _ = trials.claim()
    trials.finish(trial, "COMPLETE", 0.5)
    assert "-p gain" in best_command(trials) and "-p seed" not in best_command(trials)
    path.write_text(yaml.safe_dump(content | {"search": {"trials": 1}, "seeds": [0]}))
    with pytest.raises(SnnlabError, match="There is no parameter of own called 'seed'"):
        Search(path)


def test_a_sweep_and_a_search_name_each_others_command(checkout):
    with pytest.raises(SnnlabError, match="holds a search; run it with `snnlab search"):
        sweeps.sweep.Sweep(write(checkout))
    with pytest.raises(SnnlabError, match="holds a sweep; run it with `snnlab sweep"):
        Search(checkout / "small.yaml")


@pytest.mark.parametrize("published", ["published", ["held-out", "published"]])
def test_the_published_protocol_is_refused_as_it_validates_on_the_test_set(checkout, published):
    where = "grid" if isinstance(published, list) else "parameters"
    path = course_file(
        checkout,
        **{where: {"protocol": published}}
        | ({} if where == "grid" else {"grid": {"max_delay": [6, 12]}}),
    )
    with pytest.raises(SnnlabError, match="the validation data are the test data"):
        Search(path)


def test_data_that_is_not_there_is_named_before_a_trial_is_drawn(checkout, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(checkout / "data"))
    path = course_file(checkout, parameters={"data": "shd"})
    done = CliRunner().invoke(main.app, ["search", str(path)])
    assert done.exit_code == 2 and "snnlab data get shd" in done.output
    assert not (checkout / "runs").exists()


def test_without_optuna_one_sentence_says_how_to_install_it(checkout, monkeypatch):
    path = write(checkout)
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = CliRunner().invoke(main.app, ["search", str(path)])
    assert done.exit_code == 2 and 'pip install "snnlab[search]"' in done.output
    assert done.output.count("\n") == 1


def test_a_trial_below_the_median_is_pruned_and_collect_says_so(checkout, run):
    assert run(opened(checkout, search={"trials": 5}), Pool(lambda _: [0.5, 0.8, 0.9])) == []
    trials = opened(checkout, search={"trials": 7})
    curves = iter([[0.4, 0.5, 0.95], [0.6, 0.85, 0.95]])
    pool = Pool(lambda _: next(curves))
    assert run(trials, pool) == []
    pruned, complete = trials.of_state("PRUNED", "COMPLETE")[-2:]
    assert pruned.state.name == "PRUNED" and pruned.intermediate_values == {0: 0.4}
    assert complete.state.name == "COMPLETE" and complete.value == 0.95
    assert trials_table(trials).caption == "Trials: 6 complete, 1 pruned."
    (sentence,) = read_results("runs/find").unfinished
    assert "pruned by a search: its accuracy after 1 epochs was below the median" in sentence
    assert opened(checkout, search={"trials": 7}).claim() is None  # a pruned trial counts


def test_no_trial_is_pruned_while_sigma_shrinks(tmp_path):
    asked = []
    trial = SimpleNamespace(
        number=0,
        report=lambda value, epoch: None,
        should_prune=lambda: asked.append(1) or True,
        study=SimpleNamespace(
            get_trials=lambda **_: [SimpleNamespace(intermediate_values={0: 0.1})]
        ),
    )
    config = SimpleNamespace(epochs=8, anneal_share=0.5)
    watch = search._Watch(trial, SimpleNamespace(config=config, dir=tmp_path), "plain")
    (tmp_path / "checkpoints").mkdir()
    lines = tmp_path / "checkpoints/plain.jsonl"
    stops = []
    for epochs in range(1, 7):
        lines.write_text('{"valid_accuracy": 0.5}\n' * epochs + '{"valid')
        stops.append(watch())
    assert stops == [False, False, False, False, True, True] and len(asked) == 2
    assert not watch()  # no new epoch, no question


def test_the_curve_is_the_best_of_the_arms_networks(tmp_path):
    folder = tmp_path / "checkpoints/deep"
    folder.mkdir(parents=True)
    for name, values in (("a-learned", (0.1, 0.6)), ("b-learned", (0.2, 0.5, 0.7)), ("c", (1.0,))):
        text = "".join(f'{{"epoch": 0, "valid_accuracy": {value}}}\n' for value in values)
        (folder / f"{name}.jsonl").write_text(text)
    assert search._curve(tmp_path, "learned") == [0.2, 0.6, 0.7]


def test_a_trial_of_a_process_that_is_gone_is_taken_over(checkout):
    here, there = opened(checkout), opened(checkout)
    first, lock = here.claim()
    second, _other_lock = there.claim()
    assert second.number == 1  # the first is in work
    lock.lock.release()  # as by a kill
    again, _ = there.claim()
    assert (again.number, again.params) == (0, first.params)
    there.finish(again, "COMPLETE", 0.5)
    here.finish(first, "COMPLETE", 0.7)  # too late
    assert [trial.value for trial in here.of_state("COMPLETE")] == [0.5]


def test_a_trial_that_was_not_drawn_to_its_end_does_not_count(checkout, run):
    trials = opened(checkout, search={"trials": 2})
    trials.study.ask({"neurons": trials._distributions["neurons"]})
    assert run(trials) == [] and [t.number for t in trials.of_state("COMPLETE")] == [1, 2]
    assert not trials.of_state("RUNNING", "FAIL")


def test_failed_trials_are_named_and_the_next_call_draws_others(checkout, run):
    trials = opened(checkout, search={"trials": 2})
    failed = run(trials, Pool(outcome=RunOutcome("failed", "out of memory")))
    assert [reason for _, reason in failed] == ["out of memory"] * 2
    assert failed[0][0].startswith("trial 0, neurons=") and not trials.of_state("COMPLETE")
    pool = Pool()
    assert run(opened(checkout, search={"trials": 2}), pool) == [] and len(pool.runs) == 2


def test_a_full_disk_stops_the_search_and_uses_no_trial_up(checkout, run, monkeypatch):
    trials = opened(checkout, search={"trials": 2})
    with monkeypatch.context() as patch, pytest.raises(SnnlabError, match="free on this disk"):
        patch.setattr(preflight, "free_gb", lambda *_: 0.001)
        run(trials, Pool(outcome=RunOutcome("failed", "could not be written to")))
    assert [trial.number for trial in trials.of_state("RUNNING")] == [0]
    again = opened(checkout, search={"trials": 2})
    assert run(again) == [] and [t.number for t in again.of_state("COMPLETE")] == [0, 1]


def test_an_interrupted_trial_stays_and_is_run_by_the_next_call(checkout, run):
    trials = opened(checkout, search={"trials": 1})
    pool = Pool(outcome=RunOutcome("failed", "stopped"))
    pool.stopping.set()
    trial, lock = trials.claim()
    with lock:
        assert search._run_trial(trials, trial, pool) == []
    (left,) = trials.of_state("RUNNING")
    after = Pool()
    assert run(opened(checkout, search={"trials": 1}), after) == []
    assert after.runs[0].name.startswith("trial 0") and left.params["neurons"] == (
        after.runs[0].config.neurons
    )


def test_the_same_run_in_another_process_is_waited_for(checkout, run):
    class Waits(Pool):
        def run(self, run, *, wait, stop):
            assert wait
            return super().run(run, wait=wait, stop=stop)

    trials = opened(checkout, search={"trials": 1})
    assert run(trials, Waits()) == [] and len(trials.of_state("COMPLETE")) == 1


def test_an_arm_that_is_not_in_the_results_stops_the_search(checkout, run):
    trials = opened(checkout, search={"trials": 3, "arm": "learned"})
    with pytest.raises(SnnlabError, match="arm is 'learned'; expected one of plain, with valid_"):
        run(trials)


def test_draws_are_the_same_in_each_folder_and_several_processes_share_them(checkout, tmp_path):
    def draws(folder, workers):
        folder.mkdir()
        path = write(folder, search={"trials": 12})
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            all_trials = [Trials(Search(path)) for _ in range(workers)]

        def work(trials):
            while claimed := trials.claim():
                trial, lock = claimed
                with lock:
                    trials.finish(trial, "COMPLETE", trial.params["neurons"] / 100)

        threads = [threading.Thread(target=work, args=(trials,)) for trials in all_trials]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [trial.params for trial in all_trials[0].of_state("COMPLETE")]

    alone = draws(tmp_path / "a", 1)
    assert alone == draws(tmp_path / "b", 1) and len(alone) == 12
    assert len({tuple(params.values()) for params in alone}) > 8
    assert len(draws(tmp_path / "c", 3)) == 12


def test_after_sigkill_the_same_command_ends_the_search(checkout):
    """Real processes: the trials that were under way are resumed, not drawn again."""
    path = write(checkout, "time.sleep(60 if starts == 1 else 0)", search={"trials": 2})
    command = [sys.executable, "-c", "from snnlab.cli.main import app; app()"]
    process = subprocess.Popen(
        [*command, "search", str(path), "--workers", "2"], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while len(list(checkout.glob("runs/find/*/*/checkpoints/starts"))) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    running = Trials(Search(path)).of_state("RUNNING")
    assert [trial.number for trial in running] == [0, 1]
    done = CliRunner().invoke(main.app, ["search", str(path), "--workers", "2"])
    assert done.exit_code == 0, done.output
    complete = Trials(Search(path)).of_state("COMPLETE")
    assert [trial.params for trial in complete] == [trial.params for trial in running]
    assert all(trial.value == trial.params["neurons"] / 100 for trial in complete)
    starts = [len(one.read_text()) for one in checkout.glob("runs/find/*/*/checkpoints/starts")]
    assert starts == [2, 2]


# ----------------------------------------------------------------------
# before it starts, and on SLURM


def command(*arguments):
    return CliRunner().invoke(main.app, ["search", *map(str, arguments)])


def test_a_dry_run_says_what_is_drawn_and_leaves_nothing(checkout):
    path = write(checkout)
    before = {*checkout.iterdir()}
    dry = command(path, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "10 to 90" in dry.stdout and "2 to 50, log" in dry.stdout and "100, 200" in dry.stdout
    unwrapped = " ".join(dry.stdout.split())
    assert "5 of 5 trials to do below" in unwrapped and "not measured" in unwrapped
    assert {*checkout.iterdir()} == before


def test_hours_are_those_of_runs_that_differ_in_what_is_drawn(checkout, monkeypatch):
    read = Search(write(checkout))
    other = read.run(7, {"neurons": 55, "tau_ms": 3.0, "duration_ms": "100"}).config
    measured = Measured(dataclasses.asdict(other), 1, [36.0, 36.0], finished=True)
    monkeypatch.setattr(search_tables, "measured_runs", lambda *_: [measured])
    caption = search_tables.plan_table(read, 4, "cpu").caption
    assert caption.startswith("4 of 5 trials") and ": 0.08 hours of a worker on cpu" in caption


def test_a_search_checks_what_a_sweep_checks(checkout, monkeypatch):
    path = write(checkout)
    monkeypatch.setattr(preflight, "free_gb", lambda *_: 0.01)
    for more in ([], ["--dry-run"], ["--executor", "slurm"]):
        done = command(path, *more)
        assert done.exit_code == 2 and "expected for 5 runs" in done.stderr, done.output
    assert not (checkout / "runs").exists()


def test_a_job_of_slurm_runs_trials_until_there_are_enough(checkout, monkeypatch):
    read = Search(write(checkout))
    pool = Pool()
    monkeypatch.setattr(search, "in_workers", lambda _, call, **__: [call(pool)])
    task = SearchTask(read.path, {}, read.identity, 0)
    task()
    assert len(pool.runs) == 5 and Trials(read).done == 5
    task()
    assert len(pool.runs) == 5
    with pytest.raises(SnnlabError, match="has changed since the search was submitted"):
        SearchTask(read.path, {"training_steps": "2"}, read.identity, 0)()
