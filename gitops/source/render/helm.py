"""Helm (specs section 2): what `helm template` prints, rendered by the helm service from bytes."""

from __future__ import annotations

import base64
import json
import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from gitops.source.render import helm_files, helm_values
from gitops.source.render.context import Context
from gitops.source.render.errors import Refused
from gitops.source.render.helm_set import Int, Values
from gitops.source.render.manifests import Output
from gitops.source.render.paths import shown
from gitops.source.semver import parse_constraint, parse_version

_HOOK = "helm.sh/hook"
_TESTS = {"test", "test-success", "test-failure"}
#: Deeper and later in the alphabet than any other template, so that Helm runs it first.
_TYPES = "templates/" + "z/" * 20 + "zz-types.yaml"


def render(context: Context) -> Output:
    """Every object of the chart, its hooks and, unless skipped, its CRDs. Raises Refused, WrongSpec, Retry."""
    spec = context.source.get("helm") or {}
    files = helm_files.gather(context.tree, context.path)
    chart = helm_files.metadata(files)
    helm_files.add_dependencies(context, context.tree, context.path, files, chart)
    values = helm_values.gather(context, spec)
    if spec.get("skipSchemaValidation"):
        files = {path: data for path, data in files.items() if posixpath.basename(path) != "values.schema.json"}
    output = template(
        context,
        files,
        chart,
        values,
        name=spec.get("releaseName") or _release(context),
        namespace=spec.get("namespace") or context.env["ARGOCD_APP_NAMESPACE"] or "default",
        kube_version=spec.get("kubeVersion") or context.job["kube_version"],
        api_versions=spec.get("apiVersions") or context.job["api_versions"],
        crds=not spec.get("skipCrds"),
    )
    if spec.get("skipTests"):
        drop(output, is_test)
    return output


def template(
    context: Context,
    files: helm_files.Files,
    chart: dict[str, Any],
    values: Values,
    *,
    name: str,
    namespace: str,
    kube_version: str,
    api_versions: list[str],
    crds: bool,
) -> Output:
    """The objects of a chart whose files, dependencies included, are here; `name` is the release's. Raises Refused."""
    _check(chart, kube_version)
    if types := _typed(values):
        files = {**files, _TYPES: types}
    options: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "is_install": True,
        "revision": 1,
        "api_versions": _api_versions(api_versions),
    }
    if kube_version:
        options["kube_version"] = kube_version
    reply = context.service(
        "helm",
        {
            "archive": base64.b64encode(helm_files.pack(chart["name"], files)).decode(),
            "values": values,
            "options": options,
            "crds": crds,
        },
    )
    if "error" in reply:
        raise Refused("helm: " + _sentence(str(reply["error"])))
    output = context.output()
    for path, text in reply["crds"]:
        output.add_yaml(str(text).encode(), str(path).partition("/")[2] or str(path))
    for path in sorted(reply["files"]):
        text = str(reply["files"][path])
        file = posixpath.basename(path)
        if file.startswith("_") or file.endswith("NOTES.txt") or not text.strip():
            continue
        output.add_yaml(text.encode(), path.partition("/")[2])
    return output


def _release(context: Context) -> str:
    """The application's name; an application outside of the control namespace is called namespace_name."""
    return context.env["ARGOCD_APP_NAME"].rpartition("_")[2] or "release"


def _check(chart: dict[str, Any], kube_version: str) -> None:
    if chart.get("type") == "library":
        raise Refused("helm: library charts are not installable")
    wanted = chart.get("kubeVersion")
    if not wanted or not kube_version:
        return
    constraint, version = parse_constraint(str(wanted)), parse_version(kube_version)
    if constraint is None or version is None or not constraint.check(version):
        raise Refused(
            f"helm: the chart requires kubeVersion {shown(str(wanted))}, "
            f"which is incompatible with Kubernetes {kube_version}"
        )


def _api_versions(given: list[str]) -> list[str]:
    return [text for entry in given for text in entry.split(",") if text]


def _typed(values: Values) -> bytes:
    """A template that gives whole numbers of --set back their type, which JSON loses on the way into the library.

    Without it `--set uid=1000650000` comes out as 1.00065e+09.
    """
    lines = []
    for parents, key, value in _ints(values, ()):
        owner = ".Values" if not parents else f"(index .Values {' '.join(json.dumps(p) for p in parents)})"
        given = f"(list {' '.join(map(_literal, value))})" if isinstance(value, list) else _literal(value)
        lines.append(f"{{{{- $_ := set {owner} {json.dumps(key)} {given} -}}}}")
    return "".join(lines).encode()


def _ints(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _ints(item, (*path, number))
        return
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if isinstance(item, Int) or (
            isinstance(item, list)
            and any(isinstance(part, Int) for part in item)
            and all(isinstance(part, str | int) for part in item)
        ):
            yield path, key, item
        else:
            yield from _ints(item, (*path, key))


def _literal(value: Any) -> str:
    return f"(int64 {int(value)})" if isinstance(value, Int) else json.dumps(value)


def is_test(events: set[str]) -> bool:
    """Whether a hook's events make it a test."""
    return bool(_TESTS & events)


def drop(output: Output, unwanted: Callable[[set[str]], bool]) -> None:
    """Take away the objects whose hook events are unwanted; what is no hook has none."""
    kept = [
        (obj, origin)
        for obj, origin in zip(output.objects, output.origins, strict=True)
        if not unwanted({event.strip() for event in _hook(obj).split(",") if event.strip()})
    ]
    output.objects, output.origins = [obj for obj, _ in kept], [origin for _, origin in kept]


def _hook(obj: dict[str, Any]) -> str:
    meta = obj.get("metadata")
    annotations = meta.get("annotations") if isinstance(meta, dict) else None
    return str(annotations.get(_HOOK) or "") if isinstance(annotations, dict) else ""


def _sentence(text: str) -> str:
    joined = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return joined if len(joined) <= 600 else joined[:300] + " … " + joined[-300:]
