"""Parameters in a YAML file: names that stay text, numbers in any usual spelling, nothing twice."""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import read_number
from snnlab._utils.files import given_path, read_parsed

NUMBER = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][-+]?\d+)?")


class _Loader(yaml.SafeLoader):
    """Read numbers and names as they are spelled.

    YAML 1.1 takes `1e-2` for text, 010 for 8, 1:30 for 90, and the key 1 for the key true.
    """

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [(tag, pattern) for tag, pattern in entries if not tag.endswith((":int", ":float"))]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            place = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"{place}: a list or an object is used as a name")
            if key.value in names:
                raise yaml.YAMLError(f"{place}: {key.value} is there twice")
            names.add(key.value)
        # `<<` puts its entries first, and those of the mapping itself override them
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def construct_number(self, node: Any) -> int | float:
        return read_number(self.construct_scalar(node))


_Loader.add_implicit_resolver("!number", re.compile(rf"^{NUMBER.pattern}$"), list("-+.0123456789"))
_Loader.add_constructor("!number", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_mapping)


def read_parameters(path: Path) -> dict[str, Any]:
    """Read the parameters in a YAML file, as papermill's -f takes them; `resolve` checks them.

    Args:
        path: lines such as `epochs: 30`. A number may be written as 1000, 1_000, 0.01 or 1e-2.

    Returns:
        Values by name. All names are text, as they are spelled in the file.

    Raises:
        SnnlabError: the file is missing or no YAML, holds no parameters, or the same name twice.
    """
    advice = "lines such as `epochs: 30` were expected."
    content = read_parsed(given_path(path), _parse, "YAML", advice)
    if not isinstance(content, dict):
        raise SnnlabError(f"{path}: holds no parameters; {advice}")
    return content


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem or error.context}") from error
    # tags such as !!bool raise the last three
    except (yaml.YAMLError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
