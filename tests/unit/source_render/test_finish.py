"""From rendered objects to Manifests: lists, namespaces, duplicates, tracking, errors (specs sections 2 and 3)."""

from __future__ import annotations

from typing import Any

import pytest

from gitops.errors import ComparisonError
from gitops.model.application import Application, Source
from gitops.model.names import TRACKING_ID, WATCH_LABEL
from gitops.model.objects import GVK, Manifest
from gitops.source import Rendered, finish

APP = Application.from_object(
    {
        "metadata": {"name": "web", "namespace": "argocd"},
        "spec": {"source": {"repoURL": "x", "path": "."}, "destination": {"namespace": "prod"}},
    }
)


def rendered(*objects: dict[str, Any]) -> Rendered:
    return Rendered(
        objects=list(objects),
        origins=[f"a.yaml, document {n}" for n in range(1, len(objects) + 1)],
        source_type="Directory",
        inputs=frozenset(),
        ref_inputs={},
        warnings=(),
        ms=0,
        peak=0,
        source=Source(),
        remotes=(),
    )


def obj(kind: str = "ConfigMap", name: str = "a", api: str = "v1", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **rest.pop("meta", {})}, **rest}


def scope(gvk: GVK) -> bool | None:
    return {"Namespace": False, "ClusterRole": False, "ConfigMap": True}.get(gvk.kind)


def done(*sources: Rendered, **options: Any) -> tuple[tuple[Manifest, ...], tuple[tuple[str, str], ...]]:
    return finish(sources, APP, scope=scope, control_namespace="argocd", **options)


def test_namespaces_are_given_and_taken_away() -> None:
    found, _ = done(
        rendered(
            obj(), obj(name="b", meta={"namespace": "own"}), obj("Namespace", meta={"namespace": "wrong"}),
            obj("Unknown"),
        )
    )  # fmt: skip
    assert [m.key.namespace for m in found] == ["prod", "own", "", "prod"]
    assert "namespace" not in found[2].load()["metadata"]


def test_tracking_is_written_but_never_on_crds() -> None:
    crd = obj("CustomResourceDefinition", "x.example.com", "apiextensions.k8s.io/v1")
    found, _ = done(rendered(obj(), crd))
    meta = found[0].load()["metadata"]
    assert meta["annotations"][TRACKING_ID] == "web:/ConfigMap:prod/a"
    assert meta["labels"][WATCH_LABEL] == "web"
    assert set(found[1].load()["metadata"]) == {"name", "namespace"}


def test_lists_are_taken_apart() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [obj(name="c")]}
    listed = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [obj(name="a"), obj(name="b"), inner]}
    nothing = {"apiVersion": "v1", "kind": "ConfigMapList", "items": None}
    found, _ = done(rendered(listed, nothing))
    assert [m.key.name for m in found] == ["a", "b", "c"]


def test_the_last_of_duplicates_wins_over_all_sources() -> None:
    found, warnings = done(rendered(obj(data={"n": "1"}), obj(name="b")), rendered(obj(data={"n": "2"})))
    assert [m.key.name for m in found] == ["b", "a"]
    assert found[1].load()["data"] == {"n": "2"}
    sentence = "Resource /ConfigMap/prod/a appeared 2 times among application resources."
    assert warnings == (("RepeatedResourceWarning", sentence),)


def test_the_namespace_decides_whether_two_are_the_same() -> None:
    _, warnings = done(rendered(obj(), obj(meta={"namespace": "prod"})))
    assert [kind for kind, _ in warnings] == ["RepeatedResourceWarning"]


def test_generated_names_are_unique_keys() -> None:
    hook = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "job-"}}
    found, warnings = done(rendered(hook, {**hook, "metadata": {"generateName": "job-"}}))
    assert len({m.key for m in found}) == 2
    assert warnings == ()
    assert "name" not in found[0].load()["metadata"]


def test_exclusions() -> None:
    found, warnings = done(rendered(obj(), obj("Event", "e")), excluded=lambda gvk: gvk.kind == "Event")
    assert [m.key.kind for m in found] == ["ConfigMap"]
    assert warnings == (("ExcludedResourceWarning", "Resource /Event e is excluded in the settings"),)


def test_a_name_that_holds_line_breaks_and_escape_codes_is_shown_on_one_line() -> None:
    named = obj(name="a\nError: all is lost\x1b[31m")
    _, repeated = done(rendered(named, named))
    _, excluded = done(rendered(named), excluded=lambda _gvk: True)
    for _, sentence in (*repeated, *excluded):
        assert sentence.isprintable()
        assert "a Error: all is lost\\x1b[31m" in sentence


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "has no kind"),
        ({"kind": "X", "metadata": {"name": "a"}}, "has no apiVersion"),
        ({"apiVersion": "v1", "kind": "X"}, "X has no name"),
        ({"apiVersion": "v1", "kind": "X", "metadata": {"name": 5}}, "X has no name"),
        ({"apiVersion": "v1", "kind": "X", "metadata": "a"}, "metadata is not a map"),
        (obj(meta={"labels": {"a": True}}), "metadata.labels of ConfigMap a is not a map of texts"),
        (obj(meta={"annotations": ["a"]}), "metadata.annotations"),
        ({"apiVersion": "v1", "kind": "List", "items": ["a"]}, "item 1"),
    ],
)
def test_what_is_no_object_names_the_file(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ComparisonError, match=rf"a\.yaml, document 2.*{text}"):
        done(rendered(obj(), wrong))


def test_null_metadata_maps_are_absent_ones() -> None:
    found, _ = done(rendered(obj(meta={"labels": None, "annotations": None})))
    assert found[0].load()["metadata"]["labels"] == {WATCH_LABEL: "web"}
