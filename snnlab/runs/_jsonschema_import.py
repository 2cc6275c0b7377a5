"""Import jsonschema without its parser of international web addresses, whose import takes 2 s.

nbformat imports jsonschema, and notebooks have no such addresses. A jsonschema that is imported
already stays as it is.
"""

import sys
from typing import Any

if "jsonschema" not in sys.modules and "rfc3987_syntax" not in sys.modules:
    modules: dict[str, Any] = sys.modules
    modules["rfc3987_syntax"] = None  # as if it were not installed
    try:
        import jsonschema  # noqa: F401
    finally:
        del modules["rfc3987_syntax"]
