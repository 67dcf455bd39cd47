"""One large application alone: `python -m bench large [OBJECTS]`.

From its creation to its first and to its last object, to the end of its operation, and from its deletion to the end of
them all; the bare client applies the same objects in a fresh plane before and after.
"""

from __future__ import annotations

import time
from typing import Any

import orjson

from bench.fleet import SMALL, Fleet, application
from bench.stage import CONTROL, Plane, Stage, until

NAME = "large"
PATH = f"/apis/argoproj.io/v1alpha1/namespaces/{CONTROL}/applications/{NAME}"
OBJECTS = 5_000


def part(number: int) -> str:
    """The name of one of its objects."""
    return f"part-{number:05}"


def manifests(count: int) -> str:
    """Its file."""
    return "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {part(number)}}}\ndata: {{number: '{number}'}}\n"
        for number in range(count)
    )


def requests(count: int) -> list[tuple[str, bytes]]:
    """(path, JSON body) of the same objects, for the bare client."""
    found = []
    for number in range(count):
        meta = {"name": part(number), "namespace": NAME}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"number": str(number)}}
        found.append((f"/api/v1/namespaces/{NAME}/configmaps/{part(number)}", orjson.dumps(body)))
    return found


def create(stage: Stage) -> None:
    """Create the Application of its file in the stage's repository."""
    body: dict[str, Any] = application(NAME, NAME, stage.repo.http_url, CONTROL)
    body["metadata"]["finalizers"] = ["resources-finalizer.argocd.argoproj.io/background"]
    body["spec"]["source"]["path"] = NAME
    stage.plane.raw.apply([(PATH, orjson.dumps(body))], threads=1)


def parts(stage: Stage) -> int:
    """How many of its objects there are, and the one ConfigMap that each namespace has."""
    answer = stage.cluster.api.request("GET", f"/api/v1/namespaces/{NAME}/configmaps?limit=1")
    return len(answer["items"]) + int(answer["metadata"].get("remainingItemCount") or 0)


def bare(count: int) -> float:
    """Seconds of the bare client."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}
    with Plane() as plane:
        plane.raw.apply([(f"/api/v1/namespaces/{NAME}", orjson.dumps(namespace))])
        return plane.raw.apply(requests(count))


def measured(count: int) -> dict[str, float]:
    """Seconds of each part, and the engine's CPU seconds to the operation's end."""
    found: dict[str, float] = {}
    with Stage(Fleet(1, SMALL), lambda _: None) as stage:
        stage.repo.publish({f"{NAME}/all.yaml": manifests(count)}, "a large application")
        stage.start_engine(workers=1, GITOPS_CONCURRENCY="2")
        stage.wait_idle()
        before, begun = stage.cpu()["engine"], time.monotonic()
        create(stage)
        until(lambda: parts(stage) > 1, "its first object", interval=0.01)
        found["first object"] = time.monotonic() - begun
        until(lambda: parts(stage) >= count, "its last object", interval=0.05)
        found["last object"] = time.monotonic() - begun
        until(lambda: stage.statuses() == {("Synced", "Healthy"): 1}, "the end of its operation")
        found["end of the operation"] = time.monotonic() - begun
        stage.wait_idle()
        found["engine's CPU"] = stage.cpu()["engine"] - before
        begun = time.monotonic()
        stage.cluster.api.request("DELETE", PATH)
        until(lambda: not stage.statuses(), "its end")
        found["deletion"] = time.monotonic() - begun
    return found


def main(arguments: list[str]) -> int:
    """Measure and print, with the ratio of the last object to the mean of the bare client's runs."""
    count = int(arguments[0]) if arguments else OBJECTS
    first = bare(count)
    found = measured(count)
    second = bare(count)
    print(f"bare client, {count} objects: {first:.1f} and {second:.1f} s")
    for name, seconds in found.items():
        print(f"{name:22} {seconds:6.1f} s")
    print(f"last object, x of the bare client: {found['last object'] / ((first + second) / 2):.2f}")
    return 0
