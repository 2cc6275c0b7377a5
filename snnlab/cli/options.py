"""Options that several commands have: `run` and `train`, and `sweep` and `search`."""

import math
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from snnlab._utils.errors import SnnlabError
from snnlab._utils.places import course_file

Command = Callable[..., Any]


def run_options(command: Command) -> Command:
    """Decorate a command with the options `log`, `wait` and `again`."""
    log_help = "tensorboard, wandb or none  [default: tensorboard at profile paper]"
    wait_help = "wait for another process that works on the same run"
    command = click.option("--again", is_flag=True, help="run it again if it is finished")(command)
    command = click.option("--wait", is_flag=True, help=wait_help)(command)
    return click.option("--log", help=log_help)(command)


class FiniteRange(click.FloatRange):
    """A number, neither infinite nor nan."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class ParameterFile(click.Path):
    """A file in YAML; `params/NAME.yaml` comes with snnlab, in whatever folder one works."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Return the path that was given, or that of the file that comes with snnlab."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.parent != Path("params") or os.path.exists(path):
            return path
        shipped = course_file(f"params/{path.name}")
        return shipped if os.path.exists(shipped) else path


def sweep_options(noun: str) -> Callable[[Command], Command]:
    """Decorate a command with the file, and with the options of runs on this machine or on SLURM.

    The command is called with `file`, `given` (by name), `workers`, `retries`, `dry_run`, `slurm`
    (its resources, or None for this machine), and its own options. SIGTERM interrupts it as Ctrl-C.

    Args:
        noun: what the workers do, such as "runs".
    """
    many: dict[str, Any] = {"nargs": 2, "multiple": True, "metavar": "NAME VALUE"}
    shown: dict[str, Any] = {"show_default": True}
    number, positive = click.IntRange(1), FiniteRange(0.1)
    decorators = (
        click.argument("file", metavar="YAML", type=ParameterFile()),
        click.option("-p", "given", **many, help="set a parameter of all runs"),
        click.option("--workers", **shown, default=1, type=number, help=f"{noun} at a time"),
        click.option(
            "--retries", **shown, default=1, type=click.IntRange(0), help="retries of a failed run"
        ),
        click.option(
            "--dry-run", is_flag=True, help=f"print the {noun}, their estimated cost and errors"
        ),
        click.option("--executor", **shown, default="local", type=click.Choice(["local", "slurm"])),
        click.option("--partition", metavar="NAME", default="", help="SLURM: its name"),
        click.option(
            "--gpus",
            type=click.IntRange(0),
            help="SLURM: GPUs per run  [default: one per process]",
        ),
        click.option("--cpus", **shown, default=4, type=number, help="SLURM: cores per run"),
        click.option(
            "--hours", **shown, default=24.0, type=positive, help="SLURM: time limit of a job"
        ),
        click.option("--memory-gb", **shown, default=16.0, type=positive, help="SLURM: per run"),
        click.option("--slurm", "more", **many, help="any other option of sbatch"),
    )

    def decorate(command: Command) -> Command:
        @wraps(command)
        def called(
            given: Sequence[tuple[str, str]],
            executor: str,
            partition: str,
            gpus: int | None,
            cpus: int,
            hours: float,
            memory_gb: float,
            more: Sequence[tuple[str, str]],
            **options: Any,
        ) -> None:
            from snnlab.runs.sweep.slurm import Slurm

            resources = Slurm(partition, gpus, cpus, hours, memory_gb, dict(more))
            slurm = resources if executor == "slurm" else None
            parameters = once(given)
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                command(given=parameters, slurm=slurm, **options)
            finally:
                signal.signal(signal.SIGTERM, before)

        for decorator in reversed(decorators):
            called = decorator(called)
        return called

    return decorate


def once(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters that were typed, by name.

    Raises:
        SnnlabError: one is given twice.
    """
    texts: dict[str, str] = {}
    for name, text in given:
        if name in texts:
            raise SnnlabError(
                f"{name} is given twice, as {texts[name]!r} and {text!r}; give it once."
            )
        texts[name] = text
    return texts
