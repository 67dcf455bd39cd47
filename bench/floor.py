"""What the requests of an initial sync cost where nobody thinks: `python -m bench floor`, with APPS applications.

The bare client applies the objects; then, in another fresh plane, it also asks all that an engine has to ask besides:
each Application is created, its objects and namespace are read before they are applied, its status is written, and an
Event. What an engine's ratio is above this one is its own work, and what the controllers do meanwhile.
"""

from __future__ import annotations

import os
import time
from typing import Any

import orjson

from bench.fleet import Fleet, Object
from bench.measure import cpu_seconds
from bench.raw import Request
from bench.stage import CONTROL, Plane

REPOSITORY_URL = "https://git.example.com/bench/monorepo.git"
REVISION = "a" * 40
GROUPS = {"Deployment": "apps", "NetworkPolicy": "networking.k8s.io"}


def jobs(fleet: Fleet) -> list[list[Request]]:
    """The requests of each application, in their order."""
    found, each, objects = [], len(fleet.kinds), fleet.requests()
    for number, (path, body) in enumerate(fleet.applications(REPOSITORY_URL, CONTROL)):
        name = fleet.names[number]
        namespace, own = fleet.namespace(name), objects[number * each : (number + 1) * each]
        read = [f"/api/v1/namespaces/{namespace}", *(object_path for object_path, _ in own)]
        found.append(
            [
                Request.apply(path, body),
                *(Request("GET", f"{object_path}?resourceVersion=0") for object_path in read),
                *(Request.apply(*one) for one in own),
                Request("PATCH", path, orjson.dumps(status(fleet, name)), "application/merge-patch+json"),
                Request("POST", f"/api/v1/namespaces/{CONTROL}/events", orjson.dumps(event(name)), "application/json"),
            ]
        )
    return found


def status(fleet: Fleet, name: str) -> Object:
    """The status that an initial sync leaves."""
    now, namespace = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), fleet.namespace(name)
    source = {"repoURL": REPOSITORY_URL, "path": f"apps/{name}", "targetRevision": "main"}
    rows = [
        {"group": GROUPS.get(kind, ""), "version": "v1", "kind": kind, "namespace": namespace, "name": name}
        for kind in fleet.kinds
    ]
    shown = [{**row, "status": "Synced", "health": {"status": "Healthy"}} for row in rows]
    applied = [
        {**row, "status": "Synced", "message": f"{row['kind'].lower()}/{name} serverside-applied", "syncPhase": "Sync"}
        for row in rows
    ]
    started = {"initiatedBy": {"automated": True}}
    return {
        "status": {
            "sync": {"status": "Synced", "revision": REVISION, "comparedTo": {"source": source}},
            "health": {"status": "Progressing"},
            "resources": shown,
            "history": [{"id": 0, "revision": REVISION, "deployedAt": now, "source": source, **started}],
            "operationState": {
                "phase": "Succeeded",
                "message": "successfully synced (all tasks run)",
                "startedAt": now,
                "finishedAt": now,
                "operation": {"sync": {"revision": REVISION}, **started},
                "syncResult": {"revision": REVISION, "source": source, "resources": applied},
            },
            "reconciledAt": now,
            "sourceType": "Directory",
        }
    }


def event(name: str) -> Object:
    """The Event of an operation's end."""
    about = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "namespace": CONTROL, "name": name}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "metadata": {"name": f"{name}.synced", "namespace": CONTROL},
        "involvedObject": about,
        "reason": "OperationCompleted",
        "message": f"Sync operation to {REVISION} succeeded",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
    }


def measured(fleet: Fleet, *, whole: bool) -> dict[str, Any]:
    """Seconds to the last answer, and the CPU seconds of each part until then."""
    with Plane() as plane:
        before, own = plane.cpu(), cpu_seconds([os.getpid()])
        seconds = plane.raw.apply(fleet.namespace_requests())
        seconds += plane.raw.run(jobs(fleet)) if whole else plane.raw.apply(fleet.requests())
        spent = {part: round(used - before[part], 1) for part, used in plane.cpu().items()}
        return {"seconds": seconds, "cpu_s": {**spent, "client": round(cpu_seconds([os.getpid()]) - own, 1)}}


def main(_arguments: list[str]) -> int:
    """Measure the bare client before and after, and print the ratio to the mean of both."""
    fleet = Fleet(int(os.environ.get("APPS", "500")))
    runs = [measured(fleet, whole=whole) for whole in (False, True, False)]
    for name, run in zip(("bare client", "all requests", "bare client"), runs, strict=True):
        print(f"{name:14} {run['seconds']:6.1f} s   CPU s {run['cpu_s']}")
    bare = (runs[0]["seconds"] + runs[2]["seconds"]) / 2
    print(f"ratio of all requests to the objects alone: {runs[1]['seconds'] / bare:.2f}")
    return 0
