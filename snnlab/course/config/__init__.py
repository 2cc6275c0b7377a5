"""The parameters of each notebook, and the three profiles in which it runs.

A notebook's parameters are the fields of a frozen dataclass, each with its type, unit, range and
meaning. A profile is one instance of it. Each notebook has a module here with both. `configure`
makes the configuration of the notebook that calls it: it starts from a profile, sets the given
parameters, and refuses values that do not fit.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import check_read, from_text, known
from snnlab.course.config.exploring_delays import EXPLORING_DELAYS, ExploringDelays
from snnlab.course.config.learning_delays import LEARNING_DELAYS, LearningDelays, delay_config
from snnlab.course.config.lif_dynamics import LIF_DYNAMICS, LifDynamics
from snnlab.course.config.paper_results import PAPER_RESULTS, PaperResults
from snnlab.course.config.parameter_file import read_parameters
from snnlab.course.config.pretrain_and_transfer import PRETRAIN_AND_TRANSFER, PretrainAndTransfer
from snnlab.course.config.pretrained_delays import PRETRAINED_DELAYS, PretrainedDelays
from snnlab.course.config.real_camera import REAL_CAMERA, RealCamera
from snnlab.course.config.real_voices import REAL_VOICES, RealVoices
from snnlab.course.config.shared import Config
from snnlab.course.config.transfer_to_event_streams import (
    TRANSFER_TO_EVENT_STREAMS,
    TransferToEvents,
)

__all__ = [
    "DEFAULT_PROFILE",
    "NOTEBOOKS",
    "PROFILES",
    "Config",
    "ExploringDelays",
    "LearningDelays",
    "LifDynamics",
    "PaperResults",
    "PretrainAndTransfer",
    "PretrainedDelays",
    "RealCamera",
    "RealVoices",
    "TransferToEvents",
    "configure",
    "delay_config",
    "notebook_with",
    "parameters_of",
    "parse_parameters",
    "read_parameters",
    "resolve",
]

DEFAULT_PROFILE = "course"

PROFILES: dict[str, Mapping[str, Config]] = {
    LifDynamics.notebook: LIF_DYNAMICS,
    PretrainAndTransfer.notebook: PRETRAIN_AND_TRANSFER,
    TransferToEvents.notebook: TRANSFER_TO_EVENT_STREAMS,
    LearningDelays.notebook: LEARNING_DELAYS,
    ExploringDelays.notebook: EXPLORING_DELAYS,
    PretrainedDelays.notebook: PRETRAINED_DELAYS,
    PaperResults.notebook: PAPER_RESULTS,
    RealVoices.notebook: REAL_VOICES,
    RealCamera.notebook: REAL_CAMERA,
}

NOTEBOOKS: dict[str, type[Config]] = {
    stem: type(sizes["course"]) for stem, sizes in PROFILES.items()
}


def configure(variables: Mapping[str, Any]) -> Any:
    """Make the configuration of the notebook that calls this.

    A notebook says `config = course.configure(globals())`.

    Args:
        variables: the notebook's variables, all its parameters among them.

    Returns:
        An instance of one of the classes in `NOTEBOOKS`.

    Raises:
        SnnlabError: the variables are the parameters of no notebook, or as `resolve`.
    """
    notebook = notebook_with(variables)
    return resolve(notebook, **{name: variables[name] for name in parameters_of(notebook)})


def notebook_with(names: Iterable[str]) -> str:
    """Return the stem of the notebook all of whose parameters are among `names`.

    Raises:
        SnnlabError: `names` lacks parameters of every notebook.
    """
    missing = {stem: parameters_of(stem).keys() - set(names) for stem in NOTEBOOKS}
    matching = [stem for stem in NOTEBOOKS if not missing[stem]]
    if not matching:
        nearest = min(missing, key=lambda stem: len(missing[stem]) / len(parameters_of(stem)))
        raise SnnlabError(
            f"the parameters are those of no notebook of snnlab; the nearest is {nearest} "
            f"(missing: "
            f"{', '.join(sorted(missing[nearest]))}). Copy the parameters cell of a notebook, and "
            "keep the names in it."
        )
    return max(matching, key=lambda stem: len(parameters_of(stem)))


def parameters_of(notebook: str) -> dict[str, "dataclasses.Field[Any]"]:
    """Return the parameters of a notebook as dataclass fields by name.

    Raises:
        SnnlabError: there is no such notebook.
    """
    kind = NOTEBOOKS[known(notebook, NOTEBOOKS, "notebook")]
    return {field.name: field for field in dataclasses.fields(kind)}


def resolve(notebook: str, /, **parameters: Any) -> Any:
    """Make the configuration of a run: a profile, changed by the parameters that are not None.

    Args:
        notebook: stem of the notebook, such as "04_learning_delays".
        parameters: its parameters by name; without `profile`, SNNLAB_PROFILE says which, or it is
            "course".

    Returns:
        An instance of `NOTEBOOKS[notebook]`.

    Raises:
        SnnlabError: there is no such notebook, profile or parameter; a value has the wrong type or
            range, or nothing reads it beside the values of the other parameters.
    """
    fields = parameters_of(notebook)
    for name in parameters:
        known(name, fields, f"parameter of {notebook}")
    given = {name: value for name, value in parameters.items() if value is not None}
    profile = given.pop("profile", None) or os.environ.get("SNNLAB_PROFILE") or DEFAULT_PROFILE
    profiles = PROFILES[notebook]
    before = profiles[known(profile, profiles, "profile")]
    config = dataclasses.replace(before, **given)
    values = {name: getattr(config, name) for name in fields}
    for name in given:
        usual = (getattr(one, name) for one in (before, profiles[DEFAULT_PROFILE]))
        if values[name] not in usual:  # else nobody expects it to change anything
            check_read(fields[name], values)
    return config


def parse_parameters(notebook: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Convert parameters typed on a command line to the types of their fields.

    Raises:
        SnnlabError: there is no such notebook or parameter, or a text cannot be read as its type.
    """
    fields = parameters_of(notebook)
    return {
        name: from_text(fields[known(name, fields, f"parameter of {notebook}")], text)
        for name, text in texts.items()
    }
