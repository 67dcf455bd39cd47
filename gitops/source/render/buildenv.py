"""The build environment in values: `$NAME`, `${NAME}`, `$$` (specs section 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:(\$)|\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[0-9*#@!?-]))")


def substitute(text: str, env: Mapping[str, str]) -> str:
    """The text with references replaced; unknown names give nothing, `$$` gives `$`."""
    if "$" not in text:
        return text
    return _REFERENCE.sub(lambda m: "$" if m[1] else env.get(m[2] if m[2] is not None else m[3], ""), text)
