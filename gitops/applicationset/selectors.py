"""Label selectors: of clusters by their labels, of parameter sets by their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops.errors import InvalidSpecError


def matches(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether labels satisfy `matchLabels` and each of `matchExpressions` (In, NotIn, Exists, DoesNotExist).

    Raises InvalidSpecError for another operator.
    """
    if any(str(labels.get(key)) != str(value) for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    values = [str(value) for value in expression.get("values") or ()]
    if operator == "In":
        return key in labels and str(labels[key]) in values
    if operator == "NotIn":
        return key not in labels or str(labels[key]) not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise InvalidSpecError(f"selector operator {operator!r} is not In, NotIn, Exists or DoesNotExist")
