"""The doctor: each thing it looks at is broken here, in earnest where that can be done."""

import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections import namedtuple
from pathlib import Path

import click
import jupyter_core
import packaging
import pytest
from click.testing import CliRunner

from snnlab._utils.errors import SnnlabError
from snnlab.cli import main as cli
from snnlab.cli.doctor import disk, environment
from snnlab.cli.doctor import jupyter as doctor_jupyter
from snnlab.cli.doctor import torch as doctor_torch
from snnlab.cli.doctor.report import ROOT, Finding, note, well, wrong
from snnlab.data.datasets.catalogue import DATASETS

GB = 10**9
SITE = Path(jupyter_core.__file__).parents[1]


def installed(folder, name, version, *requires):
    """What pip leaves beside a package."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def program(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def told(finding, ok, *words):
    assert finding.ok is ok, finding.text
    for word in words:
        assert str(word) in finding.text, f"{word!r} is not in: {finding.text}"
    assert "\n" not in finding.text


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Only what is installed in this folder is installed; programs are those in its `bin`."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])
    monkeypatch.setenv("PATH", str(folder / "bin"))
    return folder


# -----------------------------------------------------------------------------------------------
# the command


def test_every_finding_is_a_line_in_words_and_wrong_ones_decide_about_the_exit_code(monkeypatch):
    def two():
        yield well("fine")
        yield note("not needed by all")

    def raises():
        yield well("so far")
        raise SnnlabError("it is not there; it was expected. Put it there.")

    def faints():
        raise OSError("libcudart.so:\n  cannot open")
        yield

    monkeypatch.setattr(environment, "LOOKS", {"two": two})
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "ok     two: fine",
        "note   two: not needed by all",
        "Nothing wrong, notes: 1.",
    ]

    monkeypatch.setattr(environment, "LOOKS", {"bad": raises, "faint": faints, "two": two})
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "ok     bad: so far",
        "WRONG  bad: it is not there; it was expected. Put it there.",
    ]
    assert lines[2].startswith(
        "WRONG  faint: could not be looked at (OSError: libcudart.so: cannot open)."
    )
    assert "`make setup`" in lines[2]
    assert lines[3:] == ["ok     two: fine", "note   two: not needed by all", "2 wrong, notes: 1."]


def test_where_next_to_nothing_is_installed_it_says_what_to_install(tmp_path):
    for package in (click, packaging):
        (tmp_path / package.__name__).symlink_to(Path(package.__file__).parent)
    done = subprocess.run(
        # Without site-packages
        [sys.executable, "-S", "-c", "from snnlab.cli.main import app; app()", "doctor"],
        env={
            "PATH": str(tmp_path),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "SNNLAB_DATA": str(tmp_path / "data"),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr == ""
    assert "\x1b" not in done.stdout  # no colour
    assert "WRONG  packages: torch is not installed in" in done.stdout
    assert (
        "WRONG  gpu: could not be looked at (ModuleNotFoundError: No module named 'torch')."
        in done.stdout
    )
    assert "note   speech:" in done.stdout
    assert [line.split(":")[0].split()[1] for line in done.stdout.splitlines()[-3:-1]] == [
        "cache",
        "runs",
    ]
    assert f"remove {sys.prefix}" not in done.stdout  # it may be the system's
    assert sorted(path.name for path in tmp_path.iterdir()) == ["click", "packaging"]


@pytest.mark.parametrize("what", [what for what in environment.LOOKS if what != "data"])
def test_nothing_is_wrong_with_this_installation(what, monkeypatch):
    # Another JupyterLab would be a finding
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(environment, "LOOKS", {what: environment.LOOKS[what]})
    found = list(environment.examine())
    assert found and all(finding.ok is not False for _, finding in found), found


# ------------------------------------------------------------------------------------------ Python,
# packages


def test_another_python(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.99"\n')
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    (found,) = environment._python()
    told(
        found,
        False,
        f"is Python {sys.version_info[0]}.{sys.version_info[1]}.",
        ">=3.99",
        sys.executable,
        "make setup PYTHON=",
    )


def test_a_python_that_is_not_released_yet_will_do(monkeypatch):
    monkeypatch.setattr(platform, "python_version", lambda: "3.15.0b1")
    (found,) = environment._python()
    told(found, True, "3.15.0b1")


def test_snnlab_outside_of_its_clone(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "LOOKS", {"packages": environment._packages})
    ((_, found),) = environment.examine()
    told(found, False, tmp_path / "pyproject.toml", "clone", "pip install -e .")


def test_a_package_of_a_wrong_version(monkeypatch, tmp_path):
    installed(tmp_path, "numpy", "1.26.4")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = environment._packages()
    told(found, False, f"numpy 1.26.4 is installed in {tmp_path};", "numpy>=2.0 was expected")
    told(found, False, f"`{sys.executable} -m pip install -c {ROOT}/constraints.txt 'numpy>=2.0'`")


def test_packages_that_are_missing(alone):
    asked = {one.name: one for one in environment._asked(environment._project()["dependencies"])}
    assert {"numpy", "torch", "h5py", "rich"} <= set(asked)
    for name in set(asked) - {"h5py", "rich"}:
        installed(alone, name, "2.13.0+cpu" if name == "torch" else "999rc1")
    found = list(environment._packages())
    assert [finding.text.split()[0] for finding in found] == ["h5py", "rich"]
    told(
        found[0],
        False,
        f"h5py is not installed in {sys.prefix}",
        "h5py>=3.10 was expected",
        "-m pip install",
    )


def test_what_only_some_need_is_a_note(alone):
    for name in ("submitit", "aedat", "webdataset"):
        installed(alone, name, "99")
    (absent,) = environment._extras()
    told(absent, None, "snnlab[video]", "av is not installed", "av>=14")
    installed(alone, "av", "13.1")
    (old,) = environment._extras()
    told(old, None, "snnlab[video]", "av 13.1 is installed")
    shutil.rmtree(alone / "av-13.1.dist-info")
    installed(alone, "av", "14.0")
    (fine,) = environment._extras()
    told(fine, True, "video")


def test_networks_that_do_not_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "spikingjelly.activation_based", None)
    monkeypatch.setattr(environment, "LOOKS", {"networks": environment._networks})
    ((_, found),) = environment.examine()
    told(found, False, "spikingjelly.activation_based", "make setup")


# ----------------------------------------------------------------------------------------------
# torch and GPU


@pytest.mark.parametrize(
    ("torch", "companion", "requires", "reason"),
    [
        ("2.13.0+cpu", "0.28.0", (), "is no CPU build"),
        ("2.13.0+cpu", "0.28.0+cu130", ("torch (==2.13.0)",), "is no CPU build"),
        ("2.13.0+cpu", "0.28.0+cpu", ("torch==2.13.0",), ""),
        ("2.13.0", "0.28.0", ("numpy<2", "torch (==2.13.0)"), ""),
        ("2.13.0", "0.27.0", ("torch==2.12.0",), "was made for torch==2.12.0"),
        ("2.13.0+cpu", "0.27.0+cpu", ("numpy", "torch==2.12.0"), "was made for torch==2.12.0"),
    ],
)
@pytest.mark.parametrize("name", doctor_torch.COMPANIONS)
def test_companions_of_another_build_of_torch(alone, name, torch, companion, requires, reason):
    installed(alone, "torch", torch)
    installed(alone, name, companion, *requires)
    (alone / f"{name}.py").write_text("raise SystemExit('it was imported')")
    (found,) = doctor_torch.build()
    if reason:
        told(
            found,
            None,
            f"{name} {companion} in {alone} {reason}",
            torch,
            f"-m pip uninstall {name}`",
        )
    else:
        told(found, True, f"torch {torch}")


def test_each_companion_is_named(alone):
    for name, version in (
        ("torch", "2.13.0+cpu"),
        ("torchvision", "0.28.0"),
        ("torchaudio", "2.11.0"),
    ):
        installed(alone, name, version)
    assert [finding.text.split()[0] for finding in doctor_torch.build()] == [
        "torchvision",
        "torchaudio",
    ]


CARD = "#!/bin/sh\n[ \"$1\" = -L ] && echo 'GPU 0: NVIDIA H200 (UUID: GPU-12)'\n"
BROKEN = "#!/bin/sh\necho 'GPU access blocked'\nexit 9\n"


@pytest.mark.parametrize(
    ("built", "smi", "hidden", "ok", "words"),
    [
        (None, "", None, None, ("there is none", "CPU", "tiny and course", "paper")),
        (None, BROKEN, None, None, ("there is none",)),
        (None, CARD, None, None, ("GPU 0: NVIDIA H200 is there", "CPU build", "make setup")),
        ("13.0", "", None, None, ("`nvidia-smi` names no GPU", "driver", "tiny and course")),
        ("13.0", CARD, "", None, ("CUDA_VISIBLE_DEVICES='' hides GPU 0: NVIDIA H200", "unset")),
        (
            "13.0",
            CARD,
            None,
            False,
            ("CUDA 13.0", "NVIDIA H200", "driver is too old", "TORCH_INDEX", "CPU"),
        ),
    ],
)
def test_no_gpu(alone, monkeypatch, built, smi, hidden, ok, words):
    import torch

    def sees_none():
        if built and smi:
            import warnings

            warnings.warn("the driver is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", sees_none)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    if smi:
        program(alone / "bin" / "nvidia-smi", smi)
    (found,) = doctor_torch.gpu()
    told(found, ok, *words)
    assert "UUID" not in found.text


def test_a_gpu(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    (found,) = doctor_torch.gpu()
    told(found, True, "2, the first NVIDIA H200")


# ---------------------------------------------------------------------------------------------------
# Jupyter


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """Nothing of the person who runs the tests: their folders may hold extensions and kernels, too."""
    for name in ("DATA", "CONFIG", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / "person" / name.lower()))
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.fixture
def other(clean, monkeypatch, tmp_path):
    """Another environment whose JupyterLab is first on PATH; it runs, and has no extensions."""
    folder = tmp_path / "other"
    venv.create(folder, symlinks=True)
    (library,) = folder.glob("lib/python*/site-packages")
    (library / "these.pth").write_text(f"{SITE}\n")
    for name, module in (("jupyter", "jupyter_core.command"), ("jupyter-lab", "jupyterlab.labapp")):
        program(
            folder / "bin" / name, f"#!{folder}/bin/python\nfrom {module} import main\nmain()\n"
        )
    monkeypatch.setenv("PATH", f"{folder}/bin")
    return folder.resolve()


def extension(data, version):
    """What the wheel jupyterlab_widgets brings."""
    folder = data / "labextensions" / doctor_jupyter.EXTENSION
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(
        json.dumps({"name": doctor_jupyter.EXTENSION, "version": version})
    )
    return folder


def page_config(folder, disabled):
    folder.mkdir(parents=True)
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": disabled}))
    return folder / "page_config.json"


def of_this():
    """The version of the extension here."""
    return doctor_jupyter._version(
        Path(sys.prefix, "share/jupyter/labextensions", doctor_jupyter.EXTENSION)
    )


def test_this_server_has_sliders(clean):
    (found,) = doctor_jupyter.sliders()
    told(found, True, Path(sys.executable).parent.resolve() / "jupyter-lab", of_this())


def test_another_server_on_path_lacks_sliders(other):
    own, found = doctor_jupyter.sliders()
    assert own.ok
    told(
        found,
        False,
        other / "bin/jupyter-lab",
        "lacks the extension @jupyter-widgets/jupyterlab-manager",
        "VBox(children=",
    )
    told(
        found,
        False,
        other / "share/jupyter/labextensions",
        "make lab",
        "install jupyterlab_widgets~=3.0",
        "ipywidgets 8",
    )


def test_the_own_server_lacks_sliders(other, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(other / "bin" / "python"))
    (found,) = doctor_jupyter.sliders()
    told(
        found,
        False,
        other / "bin/jupyter-lab",
        "lacks the extension",
        "--force-reinstall --no-deps",
    )
    assert "make lab" not in found.text


def test_another_server_with_sliders_runs_another_python(other):
    near = of_this().partition(".")[0] + ".99.1"  # of the same first number
    extension(other / "share/jupyter", near)
    own, found = doctor_jupyter.sliders()
    assert own.ok
    told(found, None, other / "bin/jupyter-lab", "another Python", sys.prefix, near, "make lab")


def test_another_server_with_sliders_of_another_version(other):
    place = extension(other / "share/jupyter", "3.1.1")
    _, found = doctor_jupyter.sliders()
    told(
        found,
        False,
        place,
        "version 3.1.1",
        f"{of_this()} was expected",
        "ipywidgets 8",
        "install jupyterlab_widgets~=3.0",
    )


def test_an_old_extension_goes_before_that_of_this_environment(clean, monkeypatch, tmp_path):
    place = extension(tmp_path / "old", "3.1.1")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "old"))
    (found,) = doctor_jupyter.sliders()
    told(found, False, place, "version 3.1.1", f"{of_this()} was expected", "unset it")


def test_a_folder_without_a_version_is_no_extension(other):
    (extension(other / "share/jupyter", "") / "package.json").write_text("{half")
    _, found = doctor_jupyter.sliders()
    told(found, False, "lacks the extension")


NAME = doctor_jupyter.EXTENSION


@pytest.mark.parametrize("disabled", [{NAME: True}, [NAME], {f"{NAME}:plugin": True}])
def test_an_extension_that_is_switched_off(clean, tmp_path, disabled):
    file = page_config(tmp_path / "person/config/labconfig", disabled)
    (found,) = doctor_jupyter.sliders()
    told(found, False, f"{file}: switches {NAME} off", f"labextension enable {NAME}`")


@pytest.mark.parametrize(
    "disabled", [{NAME: False}, {f"{NAME}-2": True}, [], [3], 3, {"jupyterlab_pygments": True}]
)
def test_an_extension_that_is_not_switched_off(clean, tmp_path, disabled):
    page_config(tmp_path / "person/config/labconfig", disabled)
    (found,) = doctor_jupyter.sliders()
    assert found.ok


def test_what_an_earlier_folder_switches_on_is_on(clean, monkeypatch, tmp_path):
    page_config(tmp_path / "person/config/labconfig", {NAME: True})
    page_config(tmp_path / "first/labconfig", {NAME: False})
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "first"))
    (found,) = doctor_jupyter.sliders()
    assert found.ok


def test_settings_of_the_server_count_last(other):
    extension(other / "share/jupyter", of_this())
    file = page_config(other / "share/jupyter/lab/settings", {NAME: True})
    _, found = doctor_jupyter.sliders()
    told(found, False, f"{file}: switches {NAME} off", other / "bin/jupyter")
    page_config(other / "etc/jupyter/labconfig", {NAME: False})
    _, found = doctor_jupyter.sliders()
    assert found.ok is None


@pytest.mark.parametrize(
    "jupyter", ["", "#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "#!/bin/sh\necho '{}'\n"]
)
def test_a_server_that_does_not_answer(other, jupyter):
    (other / "bin/jupyter").unlink()
    if jupyter:
        program(other / "bin/jupyter", jupyter)
    own, found = doctor_jupyter.sliders()
    assert own.ok
    told(found, False, other / "bin/jupyter-lab", "does not say", "make lab")


def test_a_server_behind_a_link_is_asked_where_it_lies(other, monkeypatch, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/jupyter-lab").symlink_to(other / "bin/jupyter-lab")  # as pipx and uv do
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    _, found = doctor_jupyter.sliders()
    told(found, False, other / "bin/jupyter-lab", "lacks the extension")


def test_no_server(clean, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = doctor_jupyter.sliders()
    told(found, False, "there is no jupyter-lab", tmp_path / "bin", "pip install", "jupyterlab`")


def test_the_wheel_of_the_extension_does_not_fit_ipywidgets(clean, monkeypatch, tmp_path):
    installed(tmp_path, "jupyterlab_widgets", "1.1.11")
    monkeypatch.syspath_prepend(tmp_path)
    found, _ = doctor_jupyter.sliders()
    told(found, False, "jupyterlab_widgets 1.1.11", "jupyterlab_widgets~=3.0", "pip install")


@pytest.mark.parametrize("python", ["/usr/local/other/bin/python3", "python"])
def test_notebooks_in_another_python(clean, monkeypatch, tmp_path, python):
    folder = tmp_path / "data/kernels/python3"
    folder.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "x", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    (found,) = doctor_jupyter.kernel()
    if python == "python":  # the one of who starts it
        told(found, True, sys.executable)
    else:
        told(
            found,
            False,
            folder,
            python,
            f"{sys.executable} was expected",
            "kernelspec remove python3",
        )


def test_no_kernel(clean, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager

    monkeypatch.setattr(KernelSpecManager, "_find_spec_directory", lambda *_: None)
    monkeypatch.setattr(KernelSpecManager, "ensure_native_kernel", False)
    (found,) = doctor_jupyter.kernel()
    told(found, False, "no kernel python3", "ipykernel`")


# ----------------------------------------------------------------------------------------------------
# speech


def test_no_espeak(alone):
    (found,) = environment._speech()
    told(
        found,
        None,
        "there is no espeak-ng",
        "wheel espeakng-loader",
        "snnlab data make",
        "espeakng-loader==0.2.4`",
    )


def test_espeak_as_a_program_is_not_enough(alone):
    file = program(alone / "bin/espeak-ng", "#!/bin/sh\n")
    (found,) = environment._speech()
    told(found, None, f"{file} is there, but", "wheel espeakng-loader", "espeakng-loader==0.2.4`")


def test_espeak_of_another_version(alone):
    installed(alone, "espeakng-loader", "0.2.3")
    (found,) = environment._speech()
    told(found, False, "espeakng-loader 0.2.3", "espeakng-loader==0.2.4 was expected")


def test_espeak_that_does_not_load(monkeypatch, tmp_path):
    installed(tmp_path, "espeakng-loader", "0.2.4")
    (tmp_path / "espeakng_loader.py").write_text(
        f"def get_library_path(): return '{tmp_path}/lib.so'\ndef get_data_path(): return '{tmp_path}'\n"
    )
    monkeypatch.delitem(sys.modules, "espeakng_loader", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(environment, "LOOKS", {"speech": environment._speech})
    ((_, found),) = environment.examine()
    monkeypatch.delitem(sys.modules, "espeakng_loader")
    told(found, False, tmp_path / "lib.so", "cannot be loaded", "pip install --force-reinstall")


# -------------------------------------------------------------------------------------------
# folders and room


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A data folder in which the set that ships is unpacked, by the doctor."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_DATA", str(folder))
        found = list(disk.data())
    told(found[0], True, folder / "spoken-digits")
    assert DATASETS["spoken-digits"].title and (folder / "spoken-digits/train.h5").is_file()
    return folder


def free(monkeypatch, size):
    """A disk that is nearly full: the one thing that is not done in earnest."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(size, 0, size))


LOOKS = {
    "SNNLAB_DATA": disk.data,
    "SNNLAB_CACHE": disk.cache,
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for place in (
        tmp_path / "file",
        tmp_path / "file" / "below",
        tmp_path / "link",
        Path("/proc/snnlab"),
    ):
        monkeypatch.setenv(name, str(place))
        (found,) = LOOKS[name]()
        told(found, False, f"{place}: ", "cannot be written", f"set {name} to")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", LOOKS)
def test_a_folder_without_the_right_to_write(monkeypatch, tmp_path, name):
    (tmp_path / "mine").mkdir(mode=0o555)
    monkeypatch.setenv(name, str(tmp_path / "mine"))
    (found,) = LOOKS[name]()
    told(found, False, tmp_path / "mine", "Permission denied", f"set {name} to")


def test_runs_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (fine,) = disk.runs()
    told(fine, True, tmp_path / "runs")
    assert not list(tmp_path.iterdir())  # nothing is left
    (tmp_path / "runs").write_text("")
    (found,) = disk.runs()
    told(found, False, tmp_path / "runs", "Not a directory", "--out")


def test_no_room_for_the_set_that_ships(monkeypatch, tmp_path):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    free(monkeypatch, 0.09 * GB)
    (found,) = disk.data()
    told(found, False, tmp_path / "data", "0.1 GB", "spoken-digits", "SNNLAB_DATA")
    assert not (tmp_path / "data").exists()


def test_a_full_disk_is_no_matter_once_the_set_is_unpacked(monkeypatch, unpacked):
    monkeypatch.setenv("SNNLAB_DATA", str(unpacked))
    free(monkeypatch, 0.05 * GB)
    fine, large = disk.data()
    told(fine, True, unpacked / "spoken-digits")
    told(
        large,
        None,
        "gsc takes 2.4 GB",
        " imagenet takes 290.0 GB",
        "es-imagenet takes 100.0 GB",
        " ucf101 takes 6.9 GB",
        "es-ucf101 takes 6.9 GB",
    )


@pytest.mark.parametrize(
    ("size", "named"), [(99, "imagenet es-imagenet"), (101, "imagenet"), (291, "")]
)
def test_published_sets_for_which_there_is_no_room(monkeypatch, unpacked, size, named):
    monkeypatch.setenv("SNNLAB_DATA", str(unpacked))
    free(monkeypatch, size * GB)
    fine, *notes = disk.data()
    told(fine, True, f"{size}.0 GB is free")
    assert [len(notes), *(f" {name} takes" in notes[0].text for name in named.split())] == [
        bool(named),
        *[True] * len(named.split()),
    ]
    if size == 101:
        assert "es-imagenet" not in notes[0].text


def test_a_set_that_is_there_needs_no_more_room(monkeypatch, unpacked, tmp_path):
    shutil.copytree(unpacked / "spoken-digits", tmp_path / "spoken-digits")
    for part in ("train", "val"):
        (tmp_path / "imagenet" / part).mkdir(parents=True)
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path))
    free(monkeypatch, 150 * GB)
    assert [finding.ok for finding in disk.data()] == [True]


def test_the_packed_file_is_damaged(monkeypatch, tmp_path):
    from snnlab.data.datasets import shipped

    shutil.copytree(shipped.SHIPPED, tmp_path / "shipped")
    (tmp_path / "shipped/spoken-digits.npz.xz").write_bytes(b"half")
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(environment, "LOOKS", {"data": disk.data})
    ((_, found),) = environment.examine()
    told(found, False, "spoken-digits.npz.xz: is damaged", "git checkout")


def test_room_for_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("SNNLAB_CACHE_GB", "3")
    free(monkeypatch, 2.999 * GB)
    (found,) = disk.cache()
    told(found, None, tmp_path, "3.0 GB", "SNNLAB_CACHE_GB to less")
    (tmp_path / "features").mkdir()
    # What it holds already is room, too
    (tmp_path / "features/x.npy").write_bytes(bytes(2_000_000))
    (fine,) = disk.cache()
    told(fine, True, tmp_path)
    monkeypatch.setenv("SNNLAB_CACHE_GB", "much")
    monkeypatch.setattr(environment, "LOOKS", {"cache": disk.cache})
    ((_, found),) = environment.examine()
    told(found, False, "SNNLAB_CACHE_GB is 'much'", "a number")


def test_a_finding_is_what_it_is_called():
    assert (well("a"), wrong("b"), note("c")) == (
        Finding(True, "a"),
        Finding(False, "b"),
        Finding(None, "c"),
    )
