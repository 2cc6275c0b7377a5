"""Run the benchmarks, and write their figures into docs/benchmarks.json and docs/results.md.

    python benchmarks/report.py [NAME...]

Without names it runs all of them, each in its own process, in the seconds of `BUDGETS` and those
that earlier ones have left; wall time on two cores. `docs/benchmarks.json` gets a section for each,
with command, date, commit, machine, versions and figures. Other sections stay as they are, also
those that no script here writes: the figures of a GPU, of other commands, and of publications.

    python benchmarks/report.py --merge gpu runs/benchmarks/gpu/summary.json

stores a file as the figures of a section, such as those of `make gpu-check`, and --page runs
nothing. In each case the section "Speed" of the page is written anew: `speed.md` is its text. In
it `{neurons.small.ratio:2}` stands for a figure with two significant digits.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FIGURES, PAGE, TEXT = ROOT / "docs/benchmarks.json", ROOT / "docs/results.md", HERE / "speed.md"
BUDGETS = {
    "neurons": 15,
    "drawing": 25,
    "explorer": 35,
    "events": 45,
    "reader": 35,
    "datasets": 40,
    "cochlea": 30,
    "monitor": 60,
    "engines": 130,
    "startup": 45,
    "step_parts": 20,
    "delay_training": 420,
}

json_option = click.option("--json", "out", type=click.Path(), help="Where to write the figures.")


def write(out: str | Path | None, figures: dict[str, Any]) -> None:
    """Write figures as JSON; None writes nothing."""
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


class Figure(float):
    """A number that is formatted with as many significant digits as the format says."""

    def __format__(self, digits: str) -> str:
        if not digits or not self:
            return f"{float(self):,.10g}"
        rounded = float(f"{float(self):.{int(digits) - 1}e}")
        decimals = int(digits) - 1 - math.floor(math.log10(abs(rounded)))
        return f"{rounded:,.{max(decimals, 0)}f}"


class Fields:
    """Make a JSON object's values attributes; those of a list are found by their `row`."""

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self._values, self._path = values, path

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}".lstrip(".")
        if name not in self._values:
            raise KeyError(f"{FIGURES.name} has no {path}; `python benchmarks/report.py` measures")
        value = self._values[name]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {row["row"]: row for row in value}
        if isinstance(value, dict):
            return Fields(value, path)
        if isinstance(value, list):
            return [Figure(number) for number in value]
        return value if isinstance(value, str) else Figure(value)


def section(text: str, sections: dict[str, Any]) -> str:
    """Return the section "Speed" of the page: its text with the stored figures."""
    known = {name: Fields(entry["figures"] | entry, name) for name, entry in sections.items()}
    return text.format_map(known)


def page_with(page: str, speed: str) -> str:
    """Return a page with another section "Speed"."""
    before, rest = page.split("## Speed\n", 1)
    return before + speed + rest[rest.index("\n## ") :]


def stored() -> dict[str, Any]:
    return json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}


def store(name: str, command: str, figures: dict[str, Any], seconds: float | None = None) -> None:
    """Replace one section of the stored figures."""
    packages = ("torch", "numpy", "numba", "spikingjelly", "dcls", "matplotlib", "snnlab")
    entry = {
        "command": command,
        "date": time.strftime("%d %B %Y").lstrip("0"),
        "commit": commit(),
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "seconds": seconds and round(seconds),
        "figures": figures,
    }
    write(FIGURES, stored() | {name: {k: v for k, v in entry.items() if v is not None}})


def commit() -> str:
    """Return the commit, with "-dirty" where files other than those written here differ from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run(
        [*git, "describe", "--always"], capture_output=True, text=True, check=False
    ).stdout.strip()
    others = [".", ":(exclude)docs/benchmarks.json", ":(exclude)docs/results.md"]
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *others], check=False)
    return f"{name}-dirty" if changed.returncode else name


def processor() -> str:
    """Return the processor's name with what decides its speed here, where Linux tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    values = {key.strip(): value.strip() for key, value in values.items()}
    vectors = [name for name in ("avx2", "avx512f") if name in values.get("flags", "").split()]
    return ", ".join([values.get("model name", platform.machine()), *vectors])


def measure(name: str, limit: float) -> bool:
    """Run a benchmark and store its figures; say whether that went well in so many seconds."""
    script, started = f"benchmarks/{name}.py", time.perf_counter()
    click.echo(f"== {script}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, script, "--json", str(out)]
        try:
            subprocess.run(command, cwd=ROOT, timeout=limit, check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            click.echo(f"{script} failed: {error}", err=True)
            return False
        seconds = time.perf_counter() - started
        store(name, f"python {script}", json.loads(out.read_text("utf-8")), seconds)
    click.echo(f"{script}: {seconds:.0f} of {BUDGETS[name]} s")
    return True


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BUDGETS)))
@click.option("--merge", nargs=2, help="Store the figures of a file as a section.")
@click.option("--page", is_flag=True, help="Only write the page, from the stored figures.")
def main(names: tuple[str, ...], merge: tuple[str, str] | None, page: bool) -> None:
    failed: list[str] = []
    if merge:
        figures = json.loads(Path(merge[1]).read_text("utf-8"))
        store(merge[0], f"make {merge[0]}-check", figures)
    elif not page:
        started, limit = time.perf_counter(), 0.0
        for name in names or BUDGETS:
            limit += BUDGETS[name]  # what one leaves of its time, the next ones have
            if not measure(name, limit - (time.perf_counter() - started)):
                failed.append(name)
        click.echo(f"{time.perf_counter() - started:.0f} s in all")
    speed = section(TEXT.read_text("utf-8"), stored())
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), speed), encoding="utf-8")
    if failed:
        sys.exit(f"{', '.join(failed)}: failed, so the page has their stored figures.")


if __name__ == "__main__":
    main()
