"""Imported before nbformat: without it, jsonschema builds a parser of internationalised web addresses, at 2 s a process.

No notebook has any, and nobody here asks jsonschema for the format. Whoever imported jsonschema
before keeps what it has.
"""

import sys
from typing import Any

if "jsonschema" not in sys.modules and "rfc3987_syntax" not in sys.modules:
    modules: dict[str, Any] = sys.modules
    modules["rfc3987_syntax"] = None  # its import fails, which jsonschema takes as not installed
    try:
        import jsonschema  # noqa: F401
    finally:
        del modules["rfc3987_syntax"]
