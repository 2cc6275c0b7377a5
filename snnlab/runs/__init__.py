"""Runs of notebooks: one run, sweeps of many, and the tables that collect their results.

`start` begins the run of a notebook; `collect` and `summary` make tables of many results.
"""

from snnlab._utils.lazy import lazy_getattr

__getattr__ = lazy_getattr(
    __name__,
    {
        "collect": "snnlab.runs.collection",
        "run_folder": "snnlab.runs.run",
        "start": "snnlab.runs.run",
        "summary": "snnlab.runs.summaries",
    },
)
