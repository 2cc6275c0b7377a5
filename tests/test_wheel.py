"""The wheel is the course: built from the sdist, installed, and used far from the clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import laptop
import matplotlib
import pytest
from leftovers import checked

from notebooks import FOLDER
from snnlab.runs.result import load_result

ROOT = FOLDER.parent
SOURCES = ("snnlab", "notebooks", "params", "data/shipped")
USER_FOLDER = "import platformdirs; print(platformdirs.user_data_dir('snnlab', False))"
BUILD = "from setuptools.build_meta import build_sdist; print(build_sdist('dist'))"


def run(*command, cwd, env=None):
    done = subprocess.run(
        command, cwd=cwd, env=env, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built offline, from a copy, which a build leaves files in."""
    folder = tmp_path_factory.mktemp("built")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    sdist = folder / "dist" / run(sys.executable, "-c", BUILD, cwd=folder).splitlines()[-1]
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    run(*pip, "--no-index", "-w", folder / "dist", sdist, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def snnlab(wheel, tmp_path_factory):
    """A function that starts the installed command in another folder, as a user who has no data.

    The packages that snnlab needs are those of this environment, without its editable snnlab: the
    lines of a .pth file are folders whose own .pth files are not read. Their programs are on PATH.
    """
    home = tmp_path_factory.mktemp("home")
    venv.create(home / "env")
    python = home / "env/bin/python"
    site = Path(
        run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home
        ).strip()
    )
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps"]
    run(*pip, "--no-index", wheel, cwd=home)
    ours = ("SNNLAB", "PYTHONPATH", "JUPYTER", "XDG")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {"HOME": str(home), "MPLCONFIGDIR": matplotlib.get_configdir(), "SNNLAB_OFFLINE": "1"}
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

    started = []

    def start(*arguments, program="snnlab", **more):
        process = subprocess.Popen(
            [home / "env/bin" / program, *arguments],
            cwd=home,
            env=env | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    start.home = home
    yield start
    for process in started:  # what a failure left
        process.kill()
        process.communicate()


def output(process):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


def test_the_wheel_is_small_and_holds_the_course(wheel):
    assert wheel.stat().st_size < 25e6
    shipped = [path for name in SOURCES[1:] for path in (ROOT / name).rglob("*")]
    expected = {path.relative_to(ROOT).as_posix() for path in shipped if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        start = "snnlab/course_files/"
        files = {name.removeprefix(start) for name in archive.namelist() if start in name}
    assert files == {name for name in expected if "/." not in name} | {
        "constraints.txt",
        "pyproject.toml",
    }


def test_a_build_leaves_out_what_was_removed_since_the_last(wheel):
    copy = wheel.parents[1]
    left = [
        copy / "build/lib/snnlab" / name for name in ("gone.py", "course_files/notebooks/9.txt")
    ]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    run(sys.executable, "setup.py", "-q", "build_py", cwd=copy)
    assert (copy / "build/lib/snnlab/nn").is_dir()
    assert not [file for file in left if file.exists()]


def test_the_course_from_another_folder_leaves_everything_with_the_user(snnlab):
    """The first lesson runs without the names that Windows lacks."""
    where = output(snnlab("-c", "import snnlab; print(snnlab.__file__)", program="python"))
    assert Path(where).is_relative_to(snnlab.home / "env")
    assert output(snnlab("course", "course", "--student")) == "10 notebooks are in course.\n"
    lesson = snnlab.home / "course/01_lif_dynamics.ipynb"
    # nbval runs it with all variants
    shorter = ("04", "-p", "toys", "false", "-p", "variants", "[none]")
    runs = [
        snnlab("run", lesson, "--profile", "tiny", **laptop.environment()),
        snnlab("run", *shorter, "--profile", "tiny"),
    ]
    report = output(snnlab("doctor"))
    user = Path(output(snnlab("-c", USER_FOLDER, program="python")).strip())
    assert user.is_relative_to(snnlab.home)
    for line in (
        f"data: the set that ships is in {user}/spoken-digits;",
        f"runs: results go to {user}/runs;",
    ):
        assert line in report
    output(snnlab("sweep", "params/spoken_digits_sweep.yaml", "--dry-run"))
    for process in runs:
        output(process)
    folders = {path.parent for path in (user / "runs").glob("*/*/*/result.json")}
    names = {folder.parents[1].name: folder for folder in folders}
    assert checked(names.pop(lesson.stem), lesson).profile == "tiny"
    assert load_result(names.pop("04_learning_delays")).results and not names
    left = {path.name for path in snnlab.home.iterdir() if not path.name.startswith(".")}
    assert left - {"Library"} == {"env", "course"}
