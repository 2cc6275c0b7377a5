"""Copy what the course needs into the wheel; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCourse(build_py):
    """Also copy notebooks, parameters and data, which snnlab/_utils/places.py finds."""

    def run(self) -> None:
        """Copy the package, and then the files."""
        package = Path(self.build_lib) / "snnlab"
        shutil.rmtree(package, ignore_errors=True)  # an earlier build left what was removed since
        super().run()
        if self.editable_mode:  # uses those of the clone
            return
        target = package / "course_files"
        for folder in ("notebooks", "params", "data/shipped"):
            shutil.copytree(
                folder, target / folder, ignore=shutil.ignore_patterns(".*", "__pycache__")
            )
        for file in ("constraints.txt", "pyproject.toml"):
            shutil.copy(file, target)


setup(cmdclass={"build_py": BuildWithCourse})
