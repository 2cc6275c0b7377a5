"""The parameters of each notebook, and the three profiles in which it runs.

A notebook's parameters are the fields of a frozen dataclass, each with its type, unit, range and
meaning. A profile is one instance of it. Each notebook has a module here with both. `configure`
makes the configuration of the notebook that calls it: it starts from a profile, sets the given
parameters, and refuses values that do not fit.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import check_read, from_text, known
from snnlab.course.config.delays_on_chips import DELAYS_ON_CHIPS, DelaysOnChips
from snnlab.course.config.exploring_delays import EXPLORING_DELAYS, ExploringDelays
from snnlab.course.config.learning_delays import LEARNING_DELAYS, LearningDelays, delay_config
from snnlab.course.config.lif_dynamics import LIF_DYNAMICS, LifDynamics
from snnlab.course.config.own_notebook import (
    Profiles,
    kind_of,
    open_notebook,
    saved_parameters,
    with_own_parameters,
)
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
    "PARAMETERS",
    "PROFILES",
    "Config",
    "DelaysOnChips",
    "ExploringDelays",
    "LearningDelays",
    "LifDynamics",
    "PaperResults",
    "PretrainAndTransfer",
    "PretrainedDelays",
    "Profiles",
    "RealCamera",
    "RealVoices",
    "TransferToEvents",
    "configure",
    "delay_config",
    "known_parameter",
    "parameters_of",
    "parse_parameters",
    "profiles_with",
    "read_parameters",
    "resolve",
]

DEFAULT_PROFILE = "course"
# environment variable of a kernel: all parameters of the notebook that it runs, as JSON
PARAMETERS = "SNNLAB_PARAMETERS"

PROFILES: dict[str, Profiles] = {
    profiles[DEFAULT_PROFILE].notebook: profiles
    for profiles in (
        LIF_DYNAMICS,
        PRETRAIN_AND_TRANSFER,
        TRANSFER_TO_EVENT_STREAMS,
        LEARNING_DELAYS,
        EXPLORING_DELAYS,
        PRETRAINED_DELAYS,
        PAPER_RESULTS,
        DELAYS_ON_CHIPS,
        REAL_VOICES,
        REAL_CAMERA,
    )
}

NOTEBOOKS: dict[str, type[Config]] = {
    stem: type(profiles[DEFAULT_PROFILE]) for stem, profiles in PROFILES.items()
}


def configure(variables: Mapping[str, Any]) -> Any:
    """Make the configuration of the notebook that calls this.

    A lesson says `config = course.configure(globals())`.

    Args:
        variables: the notebook's variables, all its parameters among them. In JupyterLab and VS
            Code these are the names in the parameters cell of the saved file. Where no file is
            known, they are those of the lesson that has all of its parameters among them, or else
            all numbers, texts and lists of them.

    Returns:
        An instance of one of the classes in `NOTEBOOKS`, or of one with the notebook's own
        parameters.

    Raises:
        SnnlabError: as `profiles_with` and `resolve`.
    """
    if text := os.environ.get(PARAMETERS):
        values = {name: variables.get(name, value) for name, value in json.loads(text).items()}
    elif names := saved_parameters(open_notebook(variables)):
        if missing := [name for name in names if name not in variables]:
            raise SnnlabError(
                f"the parameter {missing[0]} has no value; run the cell of the parameters first."
            )
        values = {name: variables[name] for name in names}
    elif lesson := _lesson_with(variables):
        values = {name: variables[name] for name in parameters_of(lesson)}
    else:
        of_lessons = {name for stem in NOTEBOOKS for name in parameters_of(stem)}
        values = {
            name: value
            for name, value in variables.items()
            if not name.startswith("_") and name not in ("In", "Out")
            if kind_of(value) or (value is None and name in of_lessons)  # part of a copy's cell
        }
    profiles = profiles_with(values, open_notebook(variables).stem)
    return resolve(profiles, **values)


def profiles_with(
    values: Mapping[str, Any], stem: str, helps: Callable[[], Mapping[str, str]] = dict
) -> Profiles:
    """Return the profiles of a notebook: those of the lesson that it is a copy of, or its own.

    Args:
        values: what its parameters cell assigns.
        stem: of its file.
        helps: gives the meaning of its own parameters.

    Raises:
        SnnlabError: one of its own parameters has no value, or one that shows no type.
    """
    lesson = stem if stem in NOTEBOOKS else _lesson_with(values)
    if lesson:
        profiles = PROFILES[lesson]
    else:
        profiles = {size: Config(profile=size) for size in PROFILES[LifDynamics.notebook]}
    own = values.keys() - parameters_of(profiles)
    empty = sorted(name for name in own if values[name] is None)
    if empty and not lesson:
        missing = {stem: parameters_of(stem).keys() - values for stem in NOTEBOOKS}
        nearest = min(missing, key=lambda stem: len(missing[stem]) / len(parameters_of(stem)))
        raise SnnlabError(
            f"the parameter {empty[0]} = None shows no type; expected a value, such as "
            f"`{empty[0]} = 0.1`. A copy of a notebook of snnlab keeps all its parameters; the "
            f"nearest is {nearest} (missing: {', '.join(sorted(missing[nearest]))})."
        )
    values = {name: value for name, value in values.items() if name not in empty}
    if lesson and own <= {*empty}:
        return profiles
    return with_own_parameters(profiles, stem, values, helps())


def _lesson_with(names: Iterable[str]) -> str | None:
    """Return the stem of the lesson all of whose parameters are among `names`; else None."""
    matching = [stem for stem in NOTEBOOKS if parameters_of(stem).keys() <= {*names}]
    return max(matching, key=lambda stem: len(parameters_of(stem)), default=None)


def parameters_of(notebook: str | Profiles) -> dict[str, "dataclasses.Field[Any]"]:
    """Return the parameters of a notebook as dataclass fields by name.

    Args:
        notebook: stem of a notebook of snnlab, or profiles of any.

    Raises:
        SnnlabError: there is no such notebook.
    """
    fields = dataclasses.fields(_profiles(notebook)[DEFAULT_PROFILE])
    return {field.name: field for field in fields if field.init}


def _profiles(notebook: str | Profiles) -> Profiles:
    if isinstance(notebook, str):
        return PROFILES[known(notebook, PROFILES, "notebook")]
    return notebook


def resolve(notebook: str | Profiles, /, **parameters: Any) -> Any:
    """Make the configuration of a run: a profile, changed by the parameters that are not None.

    Args:
        notebook: stem of the notebook, such as "04_learning_delays", or its profiles.
        parameters: its parameters by name; without `profile`, SNNLAB_PROFILE says which, or it is
            "course".

    Returns:
        An instance of `NOTEBOOKS[notebook]`, or of the class of the profiles.

    Raises:
        SnnlabError: there is no such notebook, profile or parameter; a value has the wrong type or
            range, or nothing reads it beside the values of the other parameters.
    """
    profiles, fields = _profiles(notebook), parameters_of(notebook)
    for name in parameters:
        known_parameter(name, profiles)
    given = {name: value for name, value in parameters.items() if value is not None}
    profile = given.pop("profile", None) or os.environ.get("SNNLAB_PROFILE") or DEFAULT_PROFILE
    before = profiles[known(profile, profiles, "profile")]
    config = before.changed(**given)
    values = {name: getattr(config, name) for name in fields}
    for name in given:
        usual = (getattr(one, name) for one in (before, profiles[DEFAULT_PROFILE]))
        if values[name] not in usual:  # else nobody expects it to change anything
            check_read(fields[name], values)
    return config


def parse_parameters(notebook: str | Profiles, texts: Mapping[str, str]) -> dict[str, Any]:
    """Convert parameters typed on a command line to the types of their fields.

    Raises:
        SnnlabError: there is no such notebook or parameter, or a text cannot be read as its type.
    """
    profiles, fields = _profiles(notebook), parameters_of(notebook)
    return {
        name: from_text(fields[known_parameter(name, profiles)], text)
        for name, text in texts.items()
    }


def known_parameter(name: str, profiles: Profiles) -> str:
    """Return a name if a notebook has a parameter that is called so.

    Raises:
        SnnlabError: it has not; the message has the nearest name.
    """
    stem = profiles[DEFAULT_PROFILE].notebook
    return known(name, parameters_of(profiles), f"parameter of {stem}")
