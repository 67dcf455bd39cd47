"""The health of an Application as its people see it: status, `gitops app get`, Events, log lines."""

from __future__ import annotations

import re

from gitops.model.objects import GVK
from testbed.world import World, eventually

POD = """
apiVersion: v1
kind: Pod
metadata: {name: broken, annotations: {testbed.gitops/fail: crash}}
spec: {containers: [{name: main, image: registry.example/web:1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
"""


def events_of(world: World, name: str) -> list[str]:
    """The messages of the Application's Events."""
    found = world.client.list(GVK("", "v1", "Event"), namespace="argocd")
    return [str(event["message"]) for event in found if event["involvedObject"]["name"] == name]


def logged(world: World, name: str) -> list[str]:
    """The changes of the Application's health that the workers logged, as `was -> now`."""
    texts = "\n".join(world.engine.log(worker) for worker in world.engine.workers)
    pattern = rf"health changed .*app=argocd/{name} .*was=(\S+) now=(\S+)"
    return [f"{was} -> {now}" for was, now in re.findall(pattern, texts)]


def test_a_change_of_health_is_told_and_an_object_can_be_left_out(world: World) -> None:
    repo = world.repo({"app/pod.yaml": POD})
    world.application("unwell", repo.http_url)
    app = world.becomes("unwell", health="Degraded")
    assert app["status"]["health"]["message"] == "Caused by Pod:unwell/broken"
    by_kind = {r["kind"]: r.get("health") for r in app["status"]["resources"]}
    assert by_kind["Pod"]["status"] == "Degraded"
    assert by_kind["Pod"]["message"]
    assert by_kind["ConfigMap"] is None
    since = app["status"]["health"]["lastTransitionTime"]

    said = world.engine.gitops("app", "get", "unwell")
    assert re.search(r"Health Status: +Degraded Caused by Pod:unwell/broken", said)
    row = next(line for line in said.splitlines() if " Pod " in line)
    assert "broken" in row
    assert "Degraded" in row

    # The object stays unwell; from now on it does not count.
    ignored = POD.replace(
        "{testbed.gitops/fail: crash}", '{testbed.gitops/fail: crash, argocd.argoproj.io/ignore-healthcheck: "true"}'
    )
    repo.publish({"app/pod.yaml": ignored}, "leave it out")
    world.engine.gitops("app", "refresh", "unwell")
    app = world.becomes("unwell")
    assert {r["kind"]: (r.get("health") or {}).get("status") for r in app["status"]["resources"]}["Pod"] == "Degraded"
    assert app["status"]["health"]["lastTransitionTime"] >= since
    assert "message" not in app["status"]["health"]

    change = "Updated health status: Degraded -> Healthy"
    eventually(
        lambda: change in events_of(world, "unwell"), "the Event", context=lambda: str(events_of(world, "unwell"))
    )
    assert "Degraded -> Healthy" in logged(world, "unwell")


def test_the_time_of_the_last_change_stays_while_the_word_does(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    world.application("steady", repo.http_url)
    since = world.becomes("steady")["status"]["health"]["lastTransitionTime"]
    sha = repo.publish({"app/settings.yaml": small["app/settings.yaml"].replace("blue", "green")}, "another colour")
    world.engine.gitops("app", "refresh", "steady")
    eventually(lambda: world.app("steady")["status"]["sync"]["revision"] == sha, "the new revision")
    app = world.becomes("steady")
    assert app["status"]["health"]["lastTransitionTime"] == since
