"""The version stands in snnlab/_utils/version.py; what repeats it is compared with it here."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from snnlab import __version__, course
from snnlab.course import notebook_version

ROOT = Path(__file__).parents[2]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_citation_and_changelog_have_the_version():
    """That of each notebook is compared by test_notebooks."""
    assert re.findall(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE) == [__version__]
    releases = re.findall(r"^## \[(.*)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert releases[0] == "Unreleased" and releases[1] == __version__


def test_the_package_takes_it_from_there():
    project = tomllib.loads(text("pyproject.toml"))
    assert project["project"]["dynamic"] == ["version"]
    attribute = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == "snnlab._utils.version.__version__"
    assert version("snnlab") == __version__, "run `make setup`"


def test_a_notebook_of_another_version_gets_a_sentence(monkeypatch, capsys):
    course.check_version(__version__)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(notebook_version, "__version__", "9.1")
    course.check_version("9.0")
    printed = capsys.readouterr().out
    assert printed.startswith("This notebook belongs to snnlab 9.0, but 9.1 is installed, so")
    assert "`snnlab course FOLDER`" in printed and printed.count("\n") == 1
