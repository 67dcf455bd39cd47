"""From rendered objects to the Manifests of an Application: lists, namespaces, duplicates, tracking (specs sections 2, 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops.model.application import Application
from gitops.model.objects import GVK, Manifest
from gitops.source.request import Rendered


def finish(
    rendered: Sequence[Rendered],
    app: Application,
    *,
    scope: Callable[[GVK], bool | None],
    control_namespace: str,
    tracking_method: str = "annotation",
    instance_label_key: str = "app.kubernetes.io/instance",
    installation_id: str = "",
    excluded: Callable[[GVK], bool] = lambda _gvk: False,
) -> tuple[tuple[Manifest, ...], tuple[tuple[str, str], ...]]:
    """The Application's desired objects, and warnings as (condition type, sentence).

    `rendered` is in source order. `scope(gvk)` tells whether the kind is namespaced, None where the cluster does not know
    it (then it is treated as namespaced). `excluded(gvk)` tells what `resource.exclusions` keep out.

    Raises ComparisonError naming the file where an object has no kind or no name.
    """
    raise NotImplementedError
