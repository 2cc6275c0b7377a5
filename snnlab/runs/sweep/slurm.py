"""Sweeps and searches as one array job of SLURM; submitit writes the script and submits it."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.optional import import_optional
from snnlab.course.config import Config
from snnlab.runs.sweep.executors import THREADS, with_cores
from snnlab.runs.sweep.worker import RunOutcome, Task, last_progress

if TYPE_CHECKING:
    from snnlab.runs.execute import NotebookRun
    from snnlab.runs.progress import SweepProgress

TIMEOUTS = 10  # how often a run that needs longer than `hours` is queued again
POLL_SECONDS = 1.0  # between two reads of the jobs' files; submitit asks SLURM less often
REMEDIES = {
    "OUT_OF_MEMORY": "give it more (--memory-gb)",
    "TIMEOUT": "give it more time (--hours)",
}


@dataclass(frozen=True)
class Slurm:
    """The resources that a run asks SLURM for.

    Attributes:
        partition: empty for the cluster's default.
        gpus: GPUs a run; None for as many as its parameter `processes` says.
        cpus: cores a run.
        hours: until a run is stopped; a run that needs longer is queued again and resumed.
        memory_gb: GB of memory a run.
        more: other options of sbatch by name, such as `account`.
    """

    partition: str = ""
    gpus: int | None = None
    cpus: int = 4
    hours: float = 24.0
    memory_gb: float = 16.0
    more: Mapping[str, str] = field(default_factory=dict)


def tasks(planned: Sequence["NotebookRun"], slurm: Slurm, retries: int) -> list[Task]:
    """Return the runs of a sweep as tasks for `submit`.

    Args:
        planned: the runs.
        slurm: what each asks for.
        retries: how often a notebook that fails is tried again.
    """
    return [
        Task(run.notebook, run.code.sha256, with_cores(run, slurm.cpus), retries=retries)
        for run in planned
    ]


def submit(
    folder: Path,
    work: Sequence[Callable[[], Any]],
    config: Config,
    slurm: Slurm,
    *,
    workers: int,
) -> list[Any]:
    """Submit tasks to SLURM as one array job.

    A task whose machine is taken away, or whose time is up, is queued again and resumed.

    Args:
        folder: of the runs; its name is that of the job.
        work: the tasks.
        config: parameters of a run, which say how many GPUs it needs.
        slurm: what each task asks for.
        workers: how many run at a time.

    Returns:
        submitit's jobs, in the order of the tasks; their files are in `logs(folder)`.

    Raises:
        SnnlabError: submitit or SLURM is not here, or SLURM refused.
    """
    module: Any = _submitit()
    if missing := [program for program in ("sbatch", "srun") if shutil.which(program) is None]:
        raise SnnlabError(
            f"There is no {missing[0]} here; expected a machine that submits jobs to SLURM. Log in "
            "to one, or use --executor local."
        )
    executor = module.SlurmExecutor(logs(folder), max_num_timeout=TIMEOUTS)
    executor.update_parameters(**_requests(folder, config, slurm, workers))
    try:
        with redirect_stderr(StringIO()), executor.batch():  # submitit prints there what it raises
            return [executor.submit(task) for task in work]
    except (module.core.utils.FailedJobError, module.core.utils.FailedSubmissionError) as error:
        reason = " ".join(str(error).split()) or error.__cause__  # its exit status
        raise SnnlabError(f"SLURM refused the job: {reason}") from error


def header(folder: Path, count: int, config: Config, slurm: Slurm, *, workers: int) -> list[str]:
    """Return the lines `#SBATCH` of the job that `submit` submits, on any machine.

    Args:
        folder: of the runs; its name is that of the job.
        count: number of tasks.
        config: see `submit`.
        slurm: what each task asks for.
        workers: how many run at a time.

    Raises:
        SnnlabError: submitit is not here.
    """
    _submitit()
    from submitit.slurm.slurm import _make_sbatch_string  # its executor asks for a cluster first

    requests = _requests(folder, config, slurm, workers)
    if count > 1:
        requests["map_count"] = count
    script = _make_sbatch_string(command="", folder=logs(folder), **requests)
    return [line for line in script.splitlines() if line.startswith("#SBATCH")]


def _requests(folder: Path, config: Config, slurm: Slurm, workers: int) -> dict[str, Any]:
    """Return the resources as submitit names them."""
    gpus = getattr(config, "processes", 1) if slurm.gpus is None else slurm.gpus
    if not gpus and getattr(config, "device", "") == "cuda":
        raise SnnlabError("device cuda is absent: --gpus 0 asks for none; leave --gpus out.")
    # by submitit's names, so that they replace its own options; without a value, it is a switch
    more = {name.replace("-", "_"): value or True for name, value in slurm.more.items()}
    if "array" in more:
        raise SnnlabError("--slurm array: snnlab numbers the runs; choose how many with --workers.")
    if "%" in str(folder):
        raise SnnlabError(
            f"{folder}: SLURM puts a number in place of %j and the like; give file and "
            "folders names without %."
        )
    return {
        "job_name": folder.name,
        "time": round(60 * slurm.hours),
        "mem": f"{round(1024 * slurm.memory_gb)}M",
        "cpus_per_task": slurm.cpus,
        "array_parallelism": workers,
        "nodes": 1,
        "ntasks_per_node": 1,
        "setup": [f"export {name}={slurm.cpus}" for name in THREADS],
        "additional_parameters": {"requeue": True, **more},
        **({"gpus_per_node": gpus} if gpus else {}),
        **({"partition": slurm.partition} if slurm.partition else {}),
    }


def logs(folder: Path) -> Path:
    """Return the folder of the script, the tasks and their output."""
    return folder / "slurm"


def follow(
    planned: Sequence["NotebookRun"], jobs: Sequence[Any], watcher: "SweepProgress"
) -> list[RunOutcome]:
    """Wait for the jobs of `submit`; an interruption ends the waiting and not the jobs.

    Args:
        planned: the runs.
        jobs: of these runs.
        watcher: shows the progress.

    Returns:
        The outcome of each run, in their order.
    """
    outcomes: dict[int, RunOutcome] = {}
    begun = set[int]()
    while len(outcomes) < len(jobs):
        for number, (run, job) in enumerate(zip(planned, jobs, strict=True)):
            if number in outcomes:
                continue
            progress, over = last_progress(job.paths.stdout), job.done()
            if number not in begun and (progress or over):
                begun.add(number)
                watcher.change(run, "begins")
            if over:
                outcomes[number] = _outcome(job)
                watcher.change(run, outcomes[number].summary)
            elif progress:
                watcher.update(run, *progress)
        watcher.refresh()
        time.sleep(POLL_SECONDS)
    return [outcomes[number] for number in range(len(jobs))]


def _outcome(job: Any) -> RunOutcome:
    log = job.paths.stderr
    if not job.paths.result_pickle.exists():
        state = job.state.split()[0]
        remedy = REMEDIES.get(state, "submit it again")
        return RunOutcome("failed", f"SLURM says {state}; {remedy}. Its log: {log}")
    error = job.exception()
    if error is None:
        outcome: RunOutcome = job.result()
        return outcome
    lines = str(error).splitlines()  # a traceback, and advice of submitit
    reason = [line for line in lines if line and not line.startswith((" ", "-", "You can"))][-1]
    return RunOutcome("failed", f"its worker broke ({reason}); see {log}")


def _submitit() -> ModuleType:
    return import_optional("submitit", "submits jobs to SLURM", "slurm")
