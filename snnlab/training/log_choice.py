"""The choice of a training log, by environment variables that started processes inherit.

SNNLAB_LOG chooses a log beside the JSON lines: "tensorboard", "wandb" or "none". Without it, runs
at paper profile use "tensorboard" and all others "none".
"""

import os

from snnlab._utils.fields import known

GIVEN, DEFAULT = "SNNLAB_LOG", "SNNLAB_LOG_DEFAULT"
LOGS = ("none", "tensorboard", "wandb")


def choose(name: str | None) -> None:
    """Choose a log for this process and those that it starts; None leaves the choice as it is.

    Raises:
        SnnlabError: there is no such log.
    """
    if name is not None:
        os.environ[GIVEN] = name
    chosen()


def chosen() -> str:
    """Return the name of the log that is on.

    Raises:
        SnnlabError: SNNLAB_LOG names an unknown log.
    """
    return known(os.environ.get(GIVEN) or os.environ.get(DEFAULT) or "none", LOGS, "log")
