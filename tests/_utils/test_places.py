"""Where files lie; test_wheel.py has those of an installed snnlab."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from snnlab._utils import places
from snnlab.cli.main import app


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """As in a wheel: the course's files are elsewhere, and a folder of the user is there."""
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(places, "INSTALLED", True)
    monkeypatch.setattr(places, "ROOT", tmp_path / "site")
    return tmp_path


def test_a_checkout_that_holds_the_working_directory_goes_first(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert places.course_file("notebooks") == tmp_path / "notebooks"
    assert places.course_file("params") == places.ROOT / "params"
    assert places.runs_folder() == tmp_path / "runs"


def test_an_installed_snnlab_uses_its_copy_and_a_folder_of_the_user(installed, monkeypatch):
    (installed / "pyproject.toml").touch()
    (installed / "params").mkdir()
    monkeypatch.chdir(installed)
    assert places.course_file("params") == installed / "site/params"
    assert places.data_folder().is_relative_to(installed / "home")
    assert places.runs_folder() == places.data_folder() / "runs"
    monkeypatch.setenv("SNNLAB_DATA", str(installed / "big disk"))
    assert places.data_folder() == installed / "big disk"
    assert places.runs_folder() == installed / "big disk/runs"
    monkeypatch.setenv("SNNLAB_DATA", "here")
    assert places.runs_folder() == installed / "here/runs"


def test_help_ends_with_the_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    help_text = CliRunner().invoke(app, ["--help"]).output
    assert f"Data sets: {tmp_path}/data; SNNLAB_DATA names another folder." in help_text
    assert help_text.endswith(f"Results:   {tmp_path}/runs\n")
    monkeypatch.setenv("SNNLAB_DATA", "~nobody-of-this-name")
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 2 and done.stderr.startswith("snnlab: ~nobody-of-this-name:")


def test_a_file_of_params_is_read_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["sweep", "params/spoken_digits_sweep.yaml", "--dry-run"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0 and "spoken_digits_sweep" in done.output
    Path("params").mkdir()
    Path(given[1]).write_text("- ours\n")
    assert f"{given[1]}: " in CliRunner().invoke(app, given).stderr
