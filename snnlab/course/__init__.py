"""What belongs to the notebooks alone: their parameters, exercises and data.

`configure` makes the configuration of a notebook, `delay_config` that of notebook 04 for another
notebook, `check` judges the answer to an exercise, and `claims` evaluates what the text says about
the results of this run.
"""

from snnlab._utils.lazy import lazy_getattr

__getattr__ = lazy_getattr(
    __name__,
    {
        "check": "snnlab.course.exercises",
        "claims": "snnlab.course.statements",
        "configure": "snnlab.course.config",
        "delay_config": "snnlab.course.config",
    },
)
