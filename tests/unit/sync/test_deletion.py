"""An Application goes: hooks, then its objects in reverse waves, then hooks, then the finalizer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sync_twin import Killed, World, application, degrade, everything_healthy, thing

from gitops.model.objects import Manifest
from gitops.sync import Deletion, Done, Parked, advance_deletion, finalizers_wanted

FOREGROUND = "resources-finalizer.argocd.argoproj.io"
PRE, POST = "pre-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io"


class Going:
    """An Application that is being deleted, and the objects that it made."""

    def __init__(
        self, *objects: dict, hooks: tuple[dict, ...] = (), finalizers: tuple[str, ...] = (FOREGROUND,)
    ) -> None:
        self.world = World()
        for obj in objects:
            self.world.cluster.put(obj)
        self.hooks = [Manifest.of(hook) for hook in hooks]
        meta = {"finalizers": list(finalizers), "deletionTimestamp": "2023-11-14T22:13:20Z"}
        self.world.app = application(metadata=meta)
        self.approved = ""

    @property
    def finalizers(self) -> list[str]:
        return self.world.app.finalizers

    def step(self):
        context = self.world.context()
        context.deletion_approved = self.approved
        live = [obj for obj in self.world.cluster.objects.values() if obj["metadata"].get("labels", {}).get("ours")]
        deletion = Deletion(self.world.app, self.hooks, live, self.finalizers.remove)
        return advance_deletion(deletion, context)

    def run(self, react: Callable[[World], None] = everything_healthy) -> Done:
        for _ in range(100):
            outcome = self.step()
            if isinstance(outcome, Done):
                return outcome
            if isinstance(outcome, Parked):
                react(self.world)
        raise AssertionError("not done")

    @property
    def log(self) -> list[tuple[str, str]]:
        return [(verb, name) for verb, _, name in self.world.cluster.log]


def test_objects_go_in_reverse_waves() -> None:
    going = Going(
        thing("ConfigMap", "first", wave=0), thing("ConfigMap", "last", wave=2), thing("Secret", "mid", wave=1)
    )

    assert going.run().phase == "Succeeded"
    assert going.log == [("delete", "last"), ("delete", "mid"), ("delete", "first")]
    assert going.finalizers == []


def test_a_wave_waits_until_the_one_before_is_gone() -> None:
    going = Going(thing("ConfigMap", "first", wave=0))
    going.world.cluster.put(thing("ConfigMap", "slow", wave=1), finalizers=["somebody"])

    going.step()

    assert going.step().reason == "waiting for deletion of /ConfigMap/slow"
    assert going.log == [("delete", "slow")]


@pytest.mark.parametrize(("seconds", "until"), [(0, 0.25), (10, 1.0), (3600, 120.0)])
def test_what_a_finalizer_holds_is_asked_about_ever_less_often(seconds: float, until: float) -> None:
    going = Going()
    going.world.cluster.put(thing("ConfigMap", "stuck"), finalizers=["somebody"])
    now = going.world.context().now()
    began = datetime.fromtimestamp(now - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    going.world.app.metadata["deletionTimestamp"] = began

    outcome = going.step()

    assert isinstance(outcome, Parked)
    assert outcome.until == pytest.approx(now + until)


@pytest.mark.parametrize(
    "kept",
    [
        thing("CustomResourceDefinition", "widgets.x.io"),
        thing("ConfigMap", "kept", options="Delete=false"),
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "app", "namespace": "argocd", "labels": {"ours": "yes"}},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "k", "labels": {"ours": "yes"}, "annotations": {"helm.sh/resource-policy": "keep"}},
        },
    ],
)
def test_what_outlives_the_application(kept: dict) -> None:
    going = Going(kept, thing("ConfigMap", "c"))

    going.run()

    assert going.world.cluster.names() == [kept["metadata"]["name"]]


def test_without_a_finalizer_the_objects_stay() -> None:
    going = Going(thing("ConfigMap", "c"), finalizers=())

    assert going.run().phase == "Succeeded"
    assert going.log == []


def test_delete_confirm_waits_for_a_persons_word() -> None:
    going = Going(thing("ConfigMap", "c", options="Delete=confirm"), thing("ConfigMap", "d"))

    assert going.step().reason == "waiting for deletion confirmation of /ConfigMap/c"
    going.approved = "2023-11-14T22:13:21Z"
    assert going.run().phase == "Succeeded"
    assert going.world.cluster.names() == []


def test_hooks_run_before_and_after() -> None:
    before = thing("Job", "before", hook="PreDelete", policy="HookSucceeded")
    after = thing("Job", "after", hook="PostDelete")
    wanted = finalizers_wanted([Manifest.of(before), Manifest.of(after)])
    going = Going(thing("ConfigMap", "c"), hooks=(before, after), finalizers=(FOREGROUND, *wanted))

    assert going.run().phase == "Succeeded"
    assert going.log == [("create", "before"), ("delete", "c"), ("create", "after"), ("delete", "before")]
    assert going.finalizers == []


@pytest.mark.parametrize("phase", ["PreDelete", "PostDelete"])
def test_with_hooks_of_one_phase_alone_no_finalizer_is_left(phase: str) -> None:
    hook = thing("Job", "h", hook=phase)
    wanted = finalizers_wanted([Manifest.of(hook)])
    going = Going(thing("ConfigMap", "c"), hooks=(hook,), finalizers=(FOREGROUND, *wanted))
    going.run()
    assert going.finalizers == []


def test_a_failed_pre_delete_hook_holds_the_deletion_and_is_tried_again() -> None:
    going = Going(thing("ConfigMap", "c"), hooks=(thing("Job", "h", hook="PreDelete"),), finalizers=(FOREGROUND, PRE))
    going.step()
    degrade("h")(going.world)

    assert going.step().reason == "PreDelete hook batch/Job/h failed and is tried again: it is Degraded"
    assert "c" in going.world.cluster.names()
    assert going.run().phase == "Succeeded"
    assert going.log.count(("create", "h")) == 2


@pytest.mark.parametrize("request_number", range(1, 30))
def test_a_kill_anywhere_changes_nothing(request_number: int) -> None:
    hooks = (thing("Job", "before", hook="PreDelete"), thing("Job", "after", hook="PostDelete"))
    objects = (thing("ConfigMap", "a", wave=0), thing("ConfigMap", "b", wave=1))
    finalizers = (FOREGROUND, *finalizers_wanted([Manifest.of(hook) for hook in hooks]))
    calm, killed = (
        Going(*objects, hooks=hooks, finalizers=finalizers),
        Going(*objects, hooks=hooks, finalizers=finalizers),
    )
    calm.run()
    left = [request_number]

    def fuse() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    killed.world.cluster.fuse = fuse
    try:
        killed.run()
    except Killed:
        killed.run()

    assert sorted(killed.log) == sorted(calm.log)
    assert killed.finalizers == []
