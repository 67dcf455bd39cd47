"""Generators to parameter sets: list, clusters, git, and matrix and merge of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from gitops.applicationset import git
from gitops.applicationset.inputs import ClusterInfo, Inputs, Params
from gitops.applicationset.names import sanitize
from gitops.applicationset.selectors import matches
from gitops.applicationset.templating import Templating, deep_merge, flatten
from gitops.errors import InvalidSpecError
from gitops.model.names import IN_CLUSTER_NAME, IN_CLUSTER_SERVER

#: How deep matrix and merge may hold each other, and how many parameter sets one ApplicationSet may have.
MAX_DEPTH = 3
MAX_SETS = 10_000
Generated = tuple[Params, Mapping[str, Any]]


def run(generator: Mapping[str, Any], inputs: Inputs, templating: Templating, depth: int = 0) -> list[Generated]:
    """The parameter sets of one generator, each with the generator's own template (empty where it has none).

    A `selector` filters at every depth: as in Argo CD since 3.0, whatever `applyNestedSelectors` says.

    Raises InvalidSpecError naming what is wrong, or a SourceError from reading a repository.
    """
    names = [name for name in generator if name in _GENERATORS and generator[name] is not None]
    if len(names) != 1:
        known = ", ".join(_GENERATORS)
        raise InvalidSpecError(
            f"a generator has to be one of {known}; this one has {', '.join(generator) or 'nothing'}"
        )
    name = names[0]
    if depth >= MAX_DEPTH:
        raise InvalidSpecError(f"generators are nested more than {MAX_DEPTH} deep; flatten them")
    body = generator[name] or {}
    found = _GENERATORS[name](body, inputs, templating, depth)
    if len(found) > MAX_SETS:
        raise InvalidSpecError(f"the {name} generator gives {len(found)} parameter sets; the most is {MAX_SETS}")
    selector = generator.get("selector")
    if selector:
        found = [params for params in found if matches(selector, flatten(params))]
    return [(params, body.get("template") or {}) for params in found]


def requeue_after(generators: Iterable[Mapping[str, Any]]) -> float | None:
    """The shortest `requeueAfterSeconds` of generators, nested ones included; None where none names one."""
    found: list[float] = []
    for generator in generators:
        for name in _GENERATORS:
            body = generator.get(name)
            if not isinstance(body, Mapping):
                continue
            seconds = body.get("requeueAfterSeconds")
            if isinstance(seconds, int) and seconds > 0:
                found.append(float(seconds))
            if (inner := requeue_after(body.get("generators") or ())) is not None:
                found.append(inner)
    return min(found, default=None)


def with_values(params: Params, values: Mapping[str, str] | None, templating: Templating) -> Params:
    """The parameters with a generator's `values`, whose strings may use the parameters."""
    if not values:
        return params
    made = {key: templating.text(str(value), params) for key, value in values.items()}
    return {**params, "values": made} if templating.go else {**params, **{f"values.{k}": v for k, v in made.items()}}


def _list(body: Mapping[str, Any], inputs: Inputs, templating: Templating, depth: int) -> list[Params]:
    elements = list(body.get("elements") or ())
    if body.get("elementsYaml"):
        try:
            more = yaml.safe_load(body["elementsYaml"])
        except yaml.YAMLError:
            raise InvalidSpecError("elementsYaml of a list generator is not YAML; correct it") from None
        if not isinstance(more, list):
            raise InvalidSpecError("elementsYaml of a list generator is not a list; make it one")
        elements += more
    if not all(isinstance(element, dict) for element in elements):
        raise InvalidSpecError("an element of a list generator is not a map of parameters; make it one")
    return [dict(element) if templating.go else flatten(element) for element in elements]


def _clusters(body: Mapping[str, Any], inputs: Inputs, templating: Templating, depth: int) -> list[Params]:
    selector = body.get("selector") or {}
    chosen = [
        cluster
        for cluster in inputs.clusters
        # The own cluster without a Secret has no labels: only an empty selector means it.
        if (cluster.has_secret or not selector) and matches(selector, dict(cluster.labels))
    ]
    made: list[Params] = []
    known = {cluster.server for cluster in inputs.clusters}
    if not selector and IN_CLUSTER_SERVER not in known:
        chosen.append(ClusterInfo(IN_CLUSTER_NAME, IN_CLUSTER_SERVER, has_secret=False))
    for cluster in chosen:
        params: Params = {
            "name": cluster.name,
            "nameNormalized": sanitize(cluster.name),
            "server": cluster.server,
            "project": cluster.project,
        }
        metadata = {"labels": dict(cluster.labels), "annotations": dict(cluster.annotations)}
        params |= {"metadata": metadata} if templating.go else flatten({"metadata": metadata})
        made.append(with_values(params, body.get("values"), templating))
    if body.get("flatList"):
        return [{"clusters": made}]
    return made


def _git(body: Mapping[str, Any], inputs: Inputs, templating: Templating, depth: int) -> list[Params]:
    return [with_values(params, body.get("values"), templating) for params in git.params(body, inputs, templating)]


def _children(body: Mapping[str, Any], least: int, most: int | None, what: str) -> list[Mapping[str, Any]]:
    children = list(body.get("generators") or ())
    if len(children) < least or (most is not None and len(children) > most):
        raise InvalidSpecError(
            f"a {what} generator needs {'exactly' if most == least else 'at least'} {least} generators"
        )
    return children


def _matrix(body: Mapping[str, Any], inputs: Inputs, templating: Templating, depth: int) -> list[Params]:
    first, second = _children(body, 2, 2, "matrix")
    made: list[Params] = []
    for outer, _ in run(first, inputs, templating, depth + 1):
        # The second generator may use the first's parameters.
        for inner, _ in run(_fill(second, outer, templating), inputs, templating, depth + 1):
            if templating.go:
                made.append(deep_merge(outer, inner))
                continue
            clash = [key for key in outer.keys() & inner.keys() if outer[key] != inner[key]]
            if clash:
                raise InvalidSpecError(f"both generators of a matrix give {sorted(clash)[0]!r} with different values")
            made.append({**outer, **inner})
            if len(made) > MAX_SETS:
                raise InvalidSpecError(f"a matrix generator gives more than {MAX_SETS} parameter sets; make it smaller")
    return made


def _fill(generator: Mapping[str, Any], params: Params, templating: Templating) -> dict[str, Any]:
    """A generator with parameters put in, but for its template, which is rendered with the final ones."""
    made: dict[str, Any] = {}
    for name, body in generator.items():
        if isinstance(body, dict):
            filled = templating.apply({k: v for k, v in body.items() if k not in ("template", "values")}, params)
            kept = {key: body[key] for key in ("template", "values") if key in body}
            made[name] = {**filled, **kept}
        else:
            made[name] = body
    return made


def _at(params: Params, key: str) -> Any:
    if key in params:
        return params[key]
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _merge(body: Mapping[str, Any], inputs: Inputs, templating: Templating, depth: int) -> list[Params]:
    keys = list(body.get("mergeKeys") or ())
    if not keys:
        raise InvalidSpecError("a merge generator needs mergeKeys; name the parameters that sets are matched by")
    first, *others = _children(body, 2, None, "merge")

    def by_key(generator: Mapping[str, Any]) -> dict[tuple[str, ...], Params]:
        made: dict[tuple[str, ...], Params] = {}
        for params, _ in run(generator, inputs, templating, depth + 1):
            key = tuple(str(_at(params, name)) for name in keys)
            if key in made:
                raise InvalidSpecError(
                    f"a generator of a merge gives two parameter sets with {dict(zip(keys, key, strict=True))}; "
                    "the mergeKeys have to be unique"
                )
            made[key] = params
        return made

    base = by_key(first)
    for other in others:
        for key, params in by_key(other).items():
            if key in base:
                base[key] = deep_merge(base[key], params) if templating.go else {**base[key], **params}
    return list(base.values())


_GENERATORS: dict[str, Callable[[Mapping[str, Any], Inputs, Templating, int], list[Params]]] = {
    "list": _list,
    "clusters": _clusters,
    "git": _git,
    "matrix": _matrix,
    "merge": _merge,
}
