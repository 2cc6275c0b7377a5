"""The choice of the log that receives the metrics of a training, by environment variables.

The command line sets it before torch is loaded, so this module does not import it.
"""

import os

from snnlab._utils.fields import known

GIVEN, DEFAULT = "SNNLAB_LOG", "SNNLAB_LOG_DEFAULT"
LOGS = ("none", "tensorboard", "wandb")


def chosen() -> str:
    """Return the name of the log that is on.

    Raises:
        SnnlabError: SNNLAB_LOG names an unknown log.
    """
    return known(os.environ.get(GIVEN) or os.environ.get(DEFAULT) or "none", LOGS, "log")
