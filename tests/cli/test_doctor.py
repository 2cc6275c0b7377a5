"""The doctor: each thing it looks at is broken here, in earnest where that can be done."""

import json
import os
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
from snnlab._utils.places import ROOT
from snnlab._utils.report import info, ok
from snnlab.cli import main as cli
from snnlab.cli.doctor import disk, environment, repair
from snnlab.cli.doctor import jupyter as doctor_jupyter
from snnlab.cli.doctor import torch as doctor_torch
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


def says(finding, status, *words):
    assert finding.status == status, finding.text
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


def test_every_finding_is_a_line_and_an_error_decides_about_the_exit_code(monkeypatch):
    def two():
        yield ok("fine")
        yield info("not needed by all")

    def raises():
        yield ok("so far")
        raise SnnlabError("it is not there; it was expected. Put it there.")

    def fails():
        raise OSError("libcudart.so:\n  cannot open")
        yield

    monkeypatch.setattr(environment, "CHECKS", {"two": two})
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "ok     two: fine",
        "info   two: not needed by all",
        "0 errors, 1 infos",
    ]

    monkeypatch.setattr(environment, "CHECKS", {"bad": raises, "failing": fails, "two": two})
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "ok     bad: so far",
        "error  bad: it is not there; it was expected. Put it there.",
    ]
    assert lines[2].startswith(
        "error  failing: the check failed (OSError: libcudart.so: cannot open)."
    )
    assert "`make setup`" in lines[2]
    assert lines[3:] == ["ok     two: fine", "info   two: not needed by all", "2 errors, 1 infos"]


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
    assert "error  packages: torch is not installed in" in done.stdout
    assert (
        "error  gpu: the check failed (ModuleNotFoundError: No module named 'torch')."
        in done.stdout
    )
    assert [line.split(":")[0].split()[1] for line in done.stdout.splitlines()[-3:-1]] == [
        "cache",
        "runs",
    ]
    assert f"remove {sys.prefix}" not in done.stdout  # it may be the system's
    assert sorted(path.name for path in tmp_path.iterdir()) == ["click", "packaging"]


@pytest.mark.parametrize("what", [what for what in environment.CHECKS if what != "data"])
def test_nothing_is_wrong_with_this_installation(what, monkeypatch):
    # Another JupyterLab would be a finding
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setattr(environment, "CHECKS", {what: environment.CHECKS[what]})
    found = list(environment.examine())
    assert found and all(finding.status != "error" for finding in found), found


# ------------------------------------------------------------------------------------------ Python,
# packages


def test_snnlab_without_its_clone_is_installed_anew(monkeypatch):
    assert "`make setup TORCH_INDEX=URL`" in repair.new_environment("URL")
    monkeypatch.setattr(repair, "INSTALLED", True)
    assert repair.new_environment() == "install snnlab in a new virtual environment"
    torch = "torch by `pip install torch --index-url URL`, then"
    assert repair.new_environment("URL") == f"install {torch} snnlab in a new virtual environment"


def test_a_package_of_a_wrong_version(monkeypatch, tmp_path):
    installed(tmp_path, "numpy", "1.26.4")
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = environment._packages()
    says(found, "error", f"numpy 1.26.4 is installed in {tmp_path};", "numpy>=2.0 was expected")
    says(
        found, "error", f"`{sys.executable} -m pip install -c {ROOT}/constraints.txt 'numpy>=2.0'`"
    )


def test_packages_that_are_missing(alone):
    required = environment._requirements(environment._project()["dependencies"])
    names = {one.name for one in required}
    assert {"numpy", "torch", "h5py", "rich"} <= names
    for name in names - {"h5py", "rich"}:
        installed(alone, name, "2.13.0+cpu" if name == "torch" else "999rc1")
    found = list(environment._packages())
    assert [finding.text.split()[0] for finding in found] == ["h5py", "rich"]
    says(
        found[0],
        "error",
        f"h5py is not installed in {sys.prefix}",
        "h5py>=3.10 was expected",
        "-m pip install",
    )


def test_what_only_some_need_is_an_info(alone, monkeypatch):
    monkeypatch.delitem(sys.modules, "espeakng_loader", raising=False)  # of an earlier test
    installed(alone, "numpy", "2.3.5")
    of_export = ("brian2", "nir", "onnx")
    of_docs = ("furo", "myst-nb", "sphinx", "sphinx-copybutton")
    for name in ("submitit", "tonic", "aedat", "webdataset", "optuna", *of_export, *of_docs):
        installed(alone, name, "9999")
    installed(alone, "espeakng-loader", "0.2.3")
    speech, video, complete = environment._extras()
    says(speech, "info", "snnlab[speech]", "0.2.3 is installed", "espeakng-loader==0.2.4`")
    says(video, "info", "snnlab[video]", "av is not installed", "av>=14")
    says(complete, "ok", "docs, slurm, export, search, camera, aedat, shards")
    assert not list(environment._speech())  # the package is not there


def test_spikingjelly_that_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "spikingjelly.activation_based", None)
    monkeypatch.setattr(environment, "CHECKS", {"spikingjelly": environment._spikingjelly})
    (found,) = environment.examine()
    says(found, "error", "spikingjelly.activation_based", "make setup")


# ----------------------------------------------------------------------------------------------
# torch and GPU


@pytest.mark.parametrize("name", doctor_torch.COMPANIONS)
@pytest.mark.parametrize(
    ("torch", "companion", "fits"),
    [
        ("2.13.0+cpu", "0.28.0", False),
        ("2.13.0+cpu", "0.28.0+cu130", False),
        ("2.13.0+cpu", "0.28.0+cpu", True),
        ("2.13.0", "0.28.0", True),
    ],
)
def test_companions_of_another_build_of_torch(alone, name, torch, companion, fits):
    installed(alone, "torch", torch)
    installed(alone, name, companion)
    (alone / f"{name}.py").write_text("raise SystemExit('it was imported')")
    (found,) = doctor_torch.build()
    if fits:
        says(found, "ok", f"torch {torch}")
    else:
        says(found, "info", f"{name} {companion}", torch, f"-m pip uninstall {name}`")


def test_each_companion_is_named(alone):
    for name, version in (("torch", "2.13.0+cpu"), ("torchvision", "1"), ("torchaudio", "2")):
        installed(alone, name, version)
    found = [finding.text.split()[0] for finding in doctor_torch.build()]
    assert found == ["torchvision", "torchaudio"]


CARD = "#!/bin/sh\n[ \"$1\" = -L ] && echo 'GPU 0: NVIDIA H200 (UUID: GPU-12)'\n"
BROKEN = "#!/bin/sh\necho 'GPU access blocked'\nexit 9\n"


@pytest.mark.parametrize(
    ("built", "smi", "hidden", "status", "words"),
    [
        (None, "", None, "info", ("there is none", "CPU", "tiny and course", "paper")),
        (None, BROKEN, None, "info", ("there is none",)),
        (None, CARD, None, "info", ("there is GPU 0: NVIDIA H200", "CPU build", "make setup")),
        ("13.0", "", None, "info", ("`nvidia-smi` lists no GPU", "driver", "tiny and course")),
        ("13.0", CARD, "", "info", ("CUDA_VISIBLE_DEVICES='' hides GPU 0: NVIDIA H200", "Unset")),
        (
            "13.0",
            CARD,
            None,
            "error",
            ("CUDA 13.0", "NVIDIA H200", "driver is too old", "TORCH_INDEX", "CPU"),
        ),
    ],
)
def test_no_gpu(alone, monkeypatch, built, smi, hidden, status, words):
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
    says(found, status, *words)
    assert "UUID" not in found.text


def test_a_gpu(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    (found,) = doctor_torch.gpu()
    says(found, "ok", "2, the first NVIDIA H200")


def test_a_mac(alone, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    (found,) = doctor_torch.gpu()
    says(found, "info", "Apple's GPU", "does not use", "training runs on the CPU")


#
# ------------------------------------------------------------------------------------------------
# Jupyter


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """Nothing of the person who runs the tests: their folders may hold extensions and kernels,
    too."""
    for name in ("DATA", "CONFIG", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / "person" / name.lower()))
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


@pytest.fixture(scope="module")
def own_listings():
    """What this environment's own server has answered, by the command: it takes two seconds."""
    return {}


@pytest.fixture
def own_server(clean, monkeypatch, tmp_path, own_listings):
    """This environment's own server, for tests that do not change it: it is asked once."""
    run = subprocess.run

    def ask(command, **options):
        key = tuple(map(str, command))
        if Path(key[0]).is_relative_to(tmp_path):
            return run(command, **options)
        if key not in own_listings:
            own_listings[key] = run(command, **options)
        return own_listings[key]

    monkeypatch.setattr(subprocess, "run", ask)


@pytest.fixture
def other(own_server, monkeypatch, tmp_path):
    """Another environment whose JupyterLab is first on PATH; it runs, and has no extensions."""
    folder = tmp_path / "other"
    venv.create(folder, symlinks=True)
    (library,) = folder.glob("lib/python*/site-packages")
    (library / "these.pth").write_text(f"{SITE}\n")
    for name, module in (
        ("jupyter-labextension", "jupyterlab.labextensions"),
        ("jupyter-lab", "jupyterlab.labapp"),
    ):
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
    return doctor_jupyter._expected_version()


def test_this_server_has_sliders(own_server):
    (found,) = doctor_jupyter.sliders()
    says(found, "ok", Path(sys.executable).parent.resolve() / "jupyter-lab", of_this())


def test_another_server_on_path_lacks_sliders(other):
    own, found = doctor_jupyter.sliders()
    assert own.status == "ok"
    says(
        found,
        "error",
        other / "bin/jupyter-lab",
        "lacks the extension @jupyter-widgets/jupyterlab-manager",
        "VBox(children=",
    )
    says(
        found,
        "error",
        "bin/jupyter lab`",
        "Install jupyterlab_widgets~=3.0",
        "ipywidgets 8",
    )


def test_the_own_server_lacks_sliders(other, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(other / "bin" / "python"))
    (found,) = doctor_jupyter.sliders()
    says(
        found,
        "error",
        other / "bin/jupyter-lab",
        "lacks the extension",
        "--force-reinstall --no-deps",
    )
    assert "bin/jupyter lab`" not in found.text


def test_another_server_with_sliders_runs_another_python(other):
    near = of_this().partition(".")[0] + ".99.1"  # of the same first number
    extension(other / "share/jupyter", near)
    own, found = doctor_jupyter.sliders()
    assert own.status == "ok"
    says(found, "info", other / "bin/jupyter-lab", "another Python", sys.prefix, "bin/jupyter lab`")


def test_another_server_with_sliders_of_another_version(other):
    extension(other / "share/jupyter", "3.1.1")
    _, found = doctor_jupyter.sliders()
    says(
        found,
        "error",
        other / "bin/jupyter-lab",
        "version 3.1.1",
        f"{of_this()} was expected",
        "ipywidgets 8",
        "Install jupyterlab_widgets~=3.0",
    )


def test_an_old_extension_goes_before_that_of_this_environment(clean, monkeypatch, tmp_path):
    extension(tmp_path / "old", "3.1.1")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "old"))
    (found,) = doctor_jupyter.sliders()
    says(found, "error", "version 3.1.1", f"{of_this()} was expected", "Unset JUPYTER_PATH")


@pytest.mark.parametrize("disabled", [True, False])
def test_an_extension_that_is_disabled(clean, tmp_path, disabled):
    name = doctor_jupyter.EXTENSION
    page_config(tmp_path / "person/config/labconfig", {name: disabled})
    (found,) = doctor_jupyter.sliders()
    if disabled:
        says(found, "error", f"has {name} disabled", f"enable {name}`")
    else:
        says(found, "ok")


@pytest.mark.parametrize("program_text", ["", "#!/bin/sh\nexit 3\n"])
def test_a_server_that_does_not_list_its_extensions(other, program_text):
    (other / "bin/jupyter-labextension").unlink()
    if program_text:
        program(other / "bin/jupyter-labextension", program_text)
    own, found = doctor_jupyter.sliders()
    assert own.status == "ok"
    says(found, "error", other / "bin/jupyter-lab", "fails", "bin/jupyter lab`")


def test_a_server_behind_a_link_is_asked_where_it_lies(other, monkeypatch, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/jupyter-lab").symlink_to(other / "bin/jupyter-lab")  # as pipx and uv do
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    _, found = doctor_jupyter.sliders()
    says(found, "error", other / "bin/jupyter-lab", "lacks the extension")


def test_no_server(clean, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = doctor_jupyter.sliders()
    says(found, "error", "jupyter-lab, which", tmp_path / "bin", "pip install", "jupyterlab`")


def test_the_wheel_of_the_extension_does_not_fit_ipywidgets(own_server, monkeypatch, tmp_path):
    installed(tmp_path, "jupyterlab_widgets", "1.1.11")
    monkeypatch.syspath_prepend(tmp_path)
    found, _ = doctor_jupyter.sliders()
    says(found, "error", "jupyterlab_widgets 1.1.11", "jupyterlab_widgets~=3.0", "pip install")


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
        says(found, "ok", sys.executable)
    else:
        says(
            found,
            "error",
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
    says(found, "error", "has no kernel python3", "ipykernel`")


#
# ------------------------------------------------------------------------------------------------
# speech


def test_espeak_that_does_not_load(monkeypatch, tmp_path):
    installed(tmp_path, "espeakng-loader", "0.2.4")
    (tmp_path / "espeakng_loader.py").write_text(
        f"def get_library_path(): return '{tmp_path}/lib.so'\ndef get_data_path(): return "
        f"'{tmp_path}'\n"
    )
    monkeypatch.delitem(sys.modules, "espeakng_loader", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(environment, "CHECKS", {"speech": environment._speech})
    (found,) = environment.examine()
    monkeypatch.delitem(sys.modules, "espeakng_loader")
    says(found, "error", tmp_path / "lib.so", "cannot be loaded", "pip install --force-reinstall")


# -------------------------------------------------------------------------------------------
# folders and room


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A data folder in which the set that ships is unpacked, by the doctor."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_DATA", str(folder))
        found = list(disk.data())
    says(found[0], "ok", folder / "spoken-digits")
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
        with pytest.raises(SnnlabError, match=f"{place}.* cannot be written .*, or set {name} to"):
            list(LOOKS[name]())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", LOOKS)
def test_a_folder_without_the_right_to_write(monkeypatch, tmp_path, name):
    (tmp_path / "mine").mkdir(mode=0o555)
    monkeypatch.setenv(name, str(tmp_path / "mine"))
    with pytest.raises(SnnlabError, match=f"mine .*Permission denied.*set {name} to"):
        list(LOOKS[name]())


def test_runs_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (fine,) = disk.runs()
    says(fine, "ok", tmp_path / "runs")
    assert not list(tmp_path.iterdir())  # nothing is left
    (tmp_path / "runs").write_text("")
    with pytest.raises(SnnlabError, match="runs .*Not a directory.*--out"):
        list(disk.runs())


def test_the_packed_file_is_damaged(monkeypatch, tmp_path):
    from snnlab.data.datasets import shipped

    shutil.copytree(shipped.SHIPPED, tmp_path / "shipped")
    (tmp_path / "shipped/spoken-digits.npz.xz").write_bytes(b"half")
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(environment, "CHECKS", {"data": disk.data})
    (found,) = environment.examine()
    says(found, "error", "spoken-digits.npz.xz: is damaged", "git checkout")


def test_room_for_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("SNNLAB_CACHE_GB", "3")
    free(monkeypatch, 2.999 * GB)
    (found,) = disk.cache()
    says(found, "info", tmp_path, "3.0 GB", "SNNLAB_CACHE_GB to less", "3.0 GB are free")
    (tmp_path / "features").mkdir()
    # What it holds already is room, too
    (tmp_path / "features/x.npy").write_bytes(bytes(2_000_000))
    (fine,) = disk.cache()
    says(fine, "ok", tmp_path)
    monkeypatch.setenv("SNNLAB_CACHE_GB", "much")
    monkeypatch.setattr(environment, "CHECKS", {"cache": disk.cache})
    (found,) = environment.examine()
    says(found, "error", "SNNLAB_CACHE_GB is 'much'", "a number")
