"""The runs of a sweep as one array job of SLURM; submitit writes the script and hands it over."""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snnlab._utils.errors import SnnlabError
from snnlab.runs.sweep.executors import THREADS, Watcher, given_for, outcome_of, submitit
from snnlab.runs.sweep.worker import Outcome, Task, last_said

if TYPE_CHECKING:
    from snnlab.runs.sweep.sweep import Sweep, SweepRun

TIMEOUTS = 10  # how often a run that needs longer than `hours` is queued again
# S between two looks at the files of the jobs; SLURM itself is asked less and less often
EVERY = 1.0


@dataclass(frozen=True)
class Slurm:
    """What a run asks SLURM for.

    Attributes:
        partition: empty for the cluster's default.
        gpus: GPUs a run; None for as many as its parameter `processes` says.
        cpus: cores a run.
        hours: of one go; a run that needs longer goes on in the next.
        memory_gb: GB of memory a run.
        more: other options of sbatch by name, such as `account`.
    """

    partition: str = ""
    gpus: int | None = None
    cpus: int = 4
    hours: float = 24.0
    memory_gb: float = 16.0
    more: Mapping[str, str] = field(default_factory=dict)


def submit(
    sweep: "Sweep", planned: Sequence["SweepRun"], slurm: Slurm, *, workers: int, retries: int
) -> list[Any]:
    """Hand runs over to SLURM, as one array of which so many run at a time.

    A run whose machine is taken away, or whose time is up, is queued again and goes on where it
    was.

    Returns:
        submitit's jobs, in the order of the runs; the files of all of them are in `logs(sweep)`.

    Raises:
        SnnlabError: submitit or SLURM is not here, or SLURM refused.
    """
    module = submitit()
    if missing := [program for program in ("sbatch", "srun") if shutil.which(program) is None]:
        raise SnnlabError(
            f"There is no {missing[0]} here; expected a machine that hands jobs over to SLURM. Go to one, or use --executor local."
        )
    executor = module.SlurmExecutor(logs(sweep), max_num_timeout=TIMEOUTS)
    first: Any = planned[0].config
    gpus = getattr(first, "processes", 1) if slurm.gpus is None else slurm.gpus
    executor.update_parameters(
        job_name=sweep.path.stem,
        time=round(60 * slurm.hours),
        mem=f"{round(1024 * slurm.memory_gb)}M",
        cpus_per_task=slurm.cpus,
        array_parallelism=workers,
        nodes=1,
        ntasks_per_node=1,
        additional_parameters={"requeue": True, **slurm.more},
        **({"gpus_per_node": gpus} if gpus else {}),
        **({"partition": slurm.partition} if slurm.partition else {}),
    )
    threads = dict.fromkeys(THREADS, str(slurm.cpus))
    tasks = [
        Task(sweep.notebook, run.code.sha256, given_for(run, slurm.cpus), threads, retries=retries)
        for run in planned
    ]
    try:
        with redirect_stderr(StringIO()), executor.batch():  # submitit prints there what it raises
            return [executor.submit(task) for task in tasks]
    except (module.core.utils.FailedJobError, module.core.utils.FailedSubmissionError) as error:
        raise SnnlabError(f"SLURM refused the job: {' '.join(str(error).split())}") from error


def logs(sweep: "Sweep") -> Path:
    """Where the script, the tasks and what they print go."""
    return sweep.folder / "slurm"


def follow(planned: Sequence["SweepRun"], jobs: Sequence[Any], watcher: Watcher) -> list[Outcome]:
    """Wait for the jobs of `submit`; an interruption ends the waiting and not them.

    Returns:
        What became of each run, in their order.
    """
    outcomes: dict[int, Outcome] = {}
    begun = set[int]()
    while len(outcomes) < len(jobs):
        for number, (run, job) in enumerate(zip(planned, jobs, strict=True)):
            if number in outcomes:
                continue
            said = last_said(job.paths.stdout)
            over = job.done()
            if number not in begun and (said or over):
                begun.add(number)
                watcher.change(run, "begins")
            if over:
                outcomes[number] = outcome = _outcome(job)
                watcher.change(
                    run, f"failed: {outcome.text}" if outcome.status == "failed" else outcome.status
                )
            elif said:
                watcher.at(run, *said)
        watcher.refresh()
        time.sleep(EVERY)
    return [outcomes[number] for number in range(len(jobs))]


def _outcome(job: Any) -> Outcome:
    """What a job that is over came to."""
    if job.paths.result_pickle.exists():
        return outcome_of(job)
    remedy = {
        "OUT_OF_MEMORY": "give it more (--memory-gb)",
        "TIMEOUT": "give it more time (--hours)",
    }
    state = job.state.split()[0]
    return Outcome(
        "failed",
        f"SLURM says {state}; {remedy.get(state, 'submit it again')}. Its log: {job.paths.stderr}",
    )
