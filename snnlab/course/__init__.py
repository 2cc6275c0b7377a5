"""What belongs to the notebooks alone: their parameters, exercises and data.

`configure` makes the configuration of a notebook, `delay_config` that of notebook 04 for another
notebook, `check` judges the answer to an exercise, `claims` evaluates what the text says about the
results of this run, and `check_version` compares the notebook's version with that of the package.
"""

from snnlab._utils.lazy import lazy_getattr

__getattr__ = lazy_getattr(
    __name__,
    {
        "check": "snnlab.course.exercises",
        "check_version": "snnlab.course.notebook_version",
        "claims": "snnlab.course.statements",
        "configure": "snnlab.course.config",
        "delay_config": "snnlab.course.config",
    },
)
