"""What people change is followed, also where a worker's patch told Redis of it first."""

from __future__ import annotations

from beat.applications import ApplicationEars
from gitops.cluster import Event
from gitops.model.objects import Object, ObjectKey
from gitops.state import State

KEY = ObjectKey("argoproj.io", "Application", "argocd", "a")


def application(version: int, **annotations: str) -> Object:
    meta = {"name": "a", "namespace": "argocd", "resourceVersion": str(version), "annotations": annotations}
    return {"metadata": meta, "spec": {"project": "default"}}


def test_a_refresh_that_a_workers_patch_overtook_is_still_wished_for(state: State) -> None:
    ears = ApplicationEars(state)
    ears.on_event(Event("ADDED", KEY, "1", application(1)))
    state.redis.delete(state.keys.queue("fetch-urgent"), state.keys.app("argocd/a"))
    state.apps.put("argocd/a", application(3, refresh="normal"))
    ears.on_event(Event("MODIFIED", KEY, "2", application(2, refresh="normal")))
    assert state.queue.depths()["fetch-urgent"] == 1
