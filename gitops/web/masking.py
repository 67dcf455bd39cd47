"""Application objects as the read API shows them: without what may be a secret."""

from __future__ import annotations

import re
from typing import Any

from gitops.model.names import LAST_APPLIED
from gitops.model.objects import Object
from gitops.observe.scrub import MASK, scrub

_SECRET_NAME = re.compile(r"passw|secret|token|credential|api[-_.]?key|private[-_.]?key|auth", re.I)


def masked(app: Object) -> Object:
    """A copy of an Application: no managed fields, no last-applied, secret-looking parameters and URLs masked."""
    meta = {key: value for key, value in (app.get("metadata") or {}).items() if key != "managedFields"}
    if annotations := meta.get("annotations"):
        meta["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    shown: Object = _mask({**app, "metadata": meta})
    return shown


def _mask(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = _SECRET_NAME.search(str(value.get("name") or "")) and not value.get("kind")
    return {
        key: MASK
        if isinstance(inner, str | int | float)
        and inner not in ("", True, False)
        and ((named and key in ("value", "string")) or (_SECRET_NAME.search(key) and not _is_known(key)))
        else _mask(inner)
        for key, inner in value.items()
    }


def _is_known(key: str) -> bool:
    """Fields of the API itself, whose names only sound secret."""
    return key in ("author", "authors") or key.startswith(("argocd.argoproj.io/", "notifications.argoproj.io/"))
