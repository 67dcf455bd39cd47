"""`helmCharts` of a kustomization, with `kustomize build --enable-helm`: each chart becomes a file of objects.

kustomize itself would run `helm pull` and `helm template`; here the chart is brought beforehand and rendered as every
chart is. The rules are those of kustomize's HelmChartInflationGenerator.
"""

from __future__ import annotations

import posixpath
from typing import Any

import orjson

from gitops.source.render import helm, helm_files, helm_values
from gitops.source.render.context import Context
from gitops.source.render.errors import Refused
from gitops.source.render.paths import below, normal, shown
from gitops.source.render.tree import Tree

KIND = "HelmChartInflationGenerator"
_MERGES = ("override", "merge", "replace")


class Charts:
    """The charts of all kustomizations of one build; `wanted` is what must be brought before they can be rendered."""

    def __init__(self, context: Context, *, restrict: bool) -> None:
        self._context, self._restrict = context, restrict
        self.wanted: list[object] = []

    def inflate(self, tree: Tree, folder: str, entry: Any, home: str, where: str) -> bytes | None:
        """The objects of one entry as YAML; None while the chart is not here. `home` is the folder of local charts.

        Raises Refused, Retry.
        """
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
            raise Refused(f"{where}: an entry of helmCharts has no name")
        if entry.get("nameTemplate"):
            raise Refused(f"{where}: nameTemplate is not supported; set releaseName")
        path = self._local(tree, folder, entry, home, where)
        if path is None:
            return None
        chart_tree, chart_folder = path
        files = helm_files.gather(chart_tree, chart_folder)
        chart = helm_files.metadata(files)
        helm_files.add_dependencies(self._context, chart_tree, chart_folder, files, chart)
        values = self._values(tree, folder, entry, files, where)
        spec = self._context.source.get("kustomize") or {}
        job = self._context.job
        output = helm.template(
            self._context,
            files,
            chart,
            values,
            name=str(entry.get("releaseName") or "release-name"),
            namespace=str(entry.get("namespace") or "default"),
            kube_version=spec.get("kubeVersion") or job["kube_version"] or str(entry.get("kubeVersion") or ""),
            api_versions=spec.get("apiVersions") or job["api_versions"] or _texts(entry.get("apiVersions")),
            crds=bool(entry.get("includeCRDs")),
        )
        if entry.get("skipHooks"):
            helm.drop(output, bool)
        elif entry.get("skipTests"):
            helm.drop(output, helm.is_test)
        return b"\n---\n".join(orjson.dumps(obj) for obj in output.objects)

    def _local(self, tree: Tree, folder: str, entry: dict[str, Any], home: str, where: str) -> tuple[Tree, str] | None:
        """Where the chart is: in the repository, or brought from its chart repository."""
        name, version, repository = entry["name"], str(entry.get("version") or ""), str(entry.get("repo") or "")
        if version and repository:
            home = posixpath.join(home, f"{name}-{version}")
        path = tree.join(folder, posixpath.join(home, name), where)
        if tree.is_dir(path):
            return tree, path
        if not repository:
            raise Refused(f"{where}: the chart {shown(name)} is not in {shown(home)}, and no repo is named for it")
        key = f"{repository} {name} {version}"
        brought = self._context.job["charts"].get(key)
        if brought is None:
            self.wanted.append({"key": key, "name": name, "version": version, "repository": repository})
            return None
        return Tree(brought, self._context.tree.budget, lambda _path: None), "."

    def _values(
        self, tree: Tree, folder: str, entry: dict[str, Any], files: helm_files.Files, where: str
    ) -> dict[str, Any]:
        inline, how = entry.get("valuesInline") or {}, entry.get("valuesMerge") or "override"
        if how not in _MERGES:
            raise Refused(f"{where}: valuesMerge is {shown(str(how))}; it must be one of {', '.join(_MERGES)}")
        if not isinstance(inline, dict):
            raise Refused(f"{where}: valuesInline is not a map")
        if entry.get("valuesFile"):
            values = self._file(tree, folder, entry["valuesFile"], where)
        else:
            values = helm_values.read(files.get("values.yaml", b""), "values.yaml")
        if inline:
            merges = {"override": (values, inline), "merge": (inline, values), "replace": ({}, inline)}
            values = _merge(*merges[how])
        for path in _texts(entry.get("additionalValuesFiles")):
            values = helm_values.merge(values, self._file(tree, folder, path, where))
        return values

    def _file(self, tree: Tree, folder: str, path: Any, where: str) -> dict[str, Any]:
        joined = tree.join(folder, str(path), where)
        if self._restrict and not below(normal(joined), folder):
            raise Refused(f"{where}: security; file {shown(str(path))} is not in or below {shown(folder)}")
        return helm_values.read(tree.read(joined, helm_values.FILE_LIMIT), str(path))


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """As kyaml merges: a null takes the key away, so that the chart's own default comes back."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = _merge(old if isinstance(old, dict) else {}, value)
        else:
            out[key] = value
    return out


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
