"""Parameters into strings, by fasttemplate (`{{param}}`) or Go templates, wherever strings are in a structure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops.applicationset.gotemplate import TemplateError, render
from gitops.applicationset.inputs import Params

_FAST = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Templating:
    """How one ApplicationSet renders: `goTemplate` and `goTemplateOptions`."""

    go: bool = False
    missing_key_error: bool = False

    def text(self, value: str, params: Params) -> str:
        """One string. Without goTemplate an unknown parameter stays as it is written. Raises TemplateError."""
        if "{{" not in value:
            return value
        if self.go:
            return render(value, params, missing_key_error=self.missing_key_error)
        return _FAST.sub(lambda match: str(params.get(match[1].strip(), match[0])), value)

    def apply(self, value: Any, params: Params) -> Any:
        """Every string in a structure, keys of maps included. Raises TemplateError."""
        if isinstance(value, str):
            return self.text(value, params)
        if isinstance(value, dict):
            return {self.text(key, params): self.apply(item, params) for key, item in value.items()}
        if isinstance(value, list):
            return [self.apply(item, params) for item in value]
        return value


def flatten(value: Mapping[str, Any], prefix: str = "") -> Params:
    """Nested values as `a.b.c` -> text, lists by index (`a.0`)."""
    made: Params = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            made |= flatten(item, f"{name}.")
        elif isinstance(item, list):
            made |= flatten({str(index): entry for index, entry in enumerate(item)}, f"{name}.")
        elif item is None:
            made[name] = ""
        else:
            made[name] = ("true" if item else "false") if isinstance(item, bool) else str(item)
    return made


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` onto `base`, maps merged, everything else replaced."""
    made = dict(base)
    for key, value in over.items():
        held = made.get(key)
        made[key] = deep_merge(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return made


__all__ = ["TemplateError", "Templating", "deep_merge", "flatten"]
