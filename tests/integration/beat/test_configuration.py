"""Changed projects and settings send for the applications that they concern, spread in time."""

from __future__ import annotations

import time
from dataclasses import replace

from beat.configuration import PACE, ConfigurationEars
from gitops.cluster import Event
from gitops.model.objects import Object, ObjectKey
from gitops.model.project import AppProject
from gitops.reconcile.control import ControlConfig
from gitops.state import State

EMPTY = ControlConfig("argocd", config_maps={"argocd-cm": {}})


class Namespace:
    """A control namespace as the ears read it."""

    def __init__(self) -> None:
        self.config = EMPTY

    def ask_again(self) -> None:
        pass

    def get(self) -> ControlConfig:
        return self.config


def follow(state: State, name: str, project: str) -> str:
    """An application that was compared a moment ago and is due in ten minutes."""
    meta = {"name": name, "namespace": "argocd", "resourceVersion": "1"}
    obj: Object = {"metadata": meta, "spec": {"project": project}}
    app = f"argocd/{name}"
    state.apps.put(app, obj)
    state.apps.set_fields(app, done=state.apps.flags(app).spec, full=f"{time.time() + 3600:.0f}")
    state.due.add(app, time.time() + 600, at_once=True)
    return app


def event(kind: str, name: str) -> Event:
    return Event("MODIFIED", ObjectKey("", kind, "argocd", name), "2", {})


def project(*repositories: str) -> dict[str, AppProject]:
    obj = {"metadata": {"name": "shop"}, "spec": {"sourceRepos": list(repositories)}}
    return {"shop": AppProject.from_object(obj)}


def claim(state: State, app: str, now: float) -> int:
    return state.due.claim(app, now, ())


def test_a_project_sends_for_its_applications_alone(state: State) -> None:
    shop, other = follow(state, "web", "shop"), follow(state, "tools", "default")
    namespace = Namespace()
    ears = ConfigurationEars(state, namespace)  # type: ignore[arg-type]
    now = time.time()
    ears.tick(now)
    assert state.due.peek(now + 60, 10) == [], "the first look compares with nothing"
    namespace.config = replace(EMPTY, projects=project("https://git.example.com/*"))
    ears.tick(now)
    assert state.due.peek(now + 60, 10) == [], "nobody told of a change"
    assert ears.on_event(event("AppProject", "shop"))
    ears.tick(now)
    assert state.due.peek(now + 60, 10) == [shop]
    flags = state.apps.flags(shop)
    assert (flags.done, flags.full) == ("", 0.0), "all of its objects are read, whatever was compared already"
    assert state.apps.flags(other).done


def test_five_hundred_applications_are_no_stampede(state: State) -> None:
    apps = {follow(state, f"web-{n:03}", "shop") for n in range(500)}
    namespace = Namespace()
    ears = ConfigurationEars(state, namespace)  # type: ignore[arg-type]
    now = time.time()
    ears.tick(now)
    namespace.config = replace(EMPTY, config_maps={"argocd-cm": {"installationID": "here"}})
    ears.on_event(event("ConfigMap", "argocd-cm"))
    ears.tick(now)
    assert len(state.due.peek(now + 1, 1000)) == PACE + 1
    assert len(state.due.peek(now + 10, 1000)) == 10 * PACE + 1
    assert set(state.due.peek(now + 500 / PACE, 1000)) == apps


def test_a_change_between_two_leaders_is_noticed_by_the_next(state: State) -> None:
    app = follow(state, "web", "shop")
    namespace = Namespace()
    now = time.time()
    ConfigurationEars(state, namespace).tick(now)  # type: ignore[arg-type]
    namespace.config = replace(EMPTY, projects=project())
    ConfigurationEars(state, namespace).tick(now)  # type: ignore[arg-type]
    assert state.due.peek(now + 60, 10) == [app]


def test_an_application_that_is_due_before_stays_so(state: State) -> None:
    app = follow(state, "web", "shop")
    now = time.time()
    state.due.add(app, now - 5, at_once=True)
    state.due.stale({app: now + 30, "argocd/gone": now})
    assert state.due.peek(now, 10) == [app], "and what is followed no more does not come back"


def test_config_maps_of_others_say_nothing(state: State) -> None:
    ears = ConfigurationEars(state, Namespace())  # type: ignore[arg-type]
    assert not ears.on_event(event("ConfigMap", "kube-root-ca.crt"))
    assert state.redis.get(state.keys.config) is None
