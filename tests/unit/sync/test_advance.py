"""An operation step by step, as a worker moves it."""

import pytest
from sync_twin import START, Killed, World, application, degrade, everything_healthy, thing

from gitops.errors import LockLost
from gitops.sync import Again, Done, OperationRecord, Parked
from gitops.sync.advance import STEP_TASKS

DONE = Done("Succeeded", "successfully synced (all tasks run)")


def test_one_wave_without_hooks_is_one_apply_for_each_object_and_nothing_else(world: World) -> None:
    world.begin(thing("ConfigMap", "a"), thing("Deployment", "d"))

    assert world.step() == DONE
    assert [(verb, key.name) for verb, key in world.cluster.requests] == [("apply", "a"), ("apply", "d")]
    assert world.results() == {
        "a": ("Synced", "configmap/a serverside-applied"),
        "d": ("Synced", "deployment.apps/d serverside-applied"),
    }


def test_what_is_as_our_own_apply_left_it_is_not_asked_for_again(world: World) -> None:
    same, other = thing("ConfigMap", "same"), thing("ConfigMap", "other")
    world.cluster.put(same)
    world.unchanged = {"same"}
    world.begin(same, other)

    assert world.step() == DONE
    assert [(verb, key.name) for verb, key in world.cluster.requests] == [("apply", "other")]
    assert world.results() == {
        "same": ("Synced", "configmap/same unchanged"),
        "other": ("Synced", "configmap/other serverside-applied"),
    }


def test_an_unchanged_object_of_a_wave_is_neither_tried_nor_applied_but_waited_for(world: World) -> None:
    same, other = thing("Deployment", "same", wave=0), thing("Deployment", "other", wave=1)
    world.cluster.put(same)
    world.unchanged = {"same"}
    world.begin(same, other)

    world.step()
    waiting = world.step()

    assert isinstance(waiting, Parked)
    assert waiting.reason == "waiting for healthy state of apps/Deployment/same"
    assert world.run(everything_healthy) == DONE
    assert {key.name for verb, key in world.cluster.requests if verb in ("apply", "dry-run")} == {"other"}


@pytest.mark.parametrize("option", ["Replace=true", "Force=true"])
def test_what_is_to_be_replaced_or_forced_is_written_also_where_it_is_unchanged(world: World, option: str) -> None:
    same = thing("ConfigMap", "same")
    world.cluster.put(same)
    world.unchanged = {"same"}
    world.begin(same, syncOptions=[option])

    assert world.step() == DONE
    assert any(verb in ("apply", "replace", "update") for verb, _ in world.cluster.requests)


def test_each_wave_waits_until_the_one_before_is_healthy(world: World) -> None:
    world.begin(thing("Deployment", "first", wave=0), thing("Deployment", "second", wave=1))

    world.step()
    waiting = world.step()

    assert isinstance(waiting, Parked)
    assert waiting.reason == "waiting for healthy state of apps/Deployment/first"
    assert [key.name for key in waiting.waiting_for] == ["first"]
    assert world.cluster.names() == ["first"]
    assert world.run(everything_healthy) == DONE
    assert world.cluster.names() == ["first", "second"]


def test_the_last_wave_is_not_waited_for(world: World) -> None:
    world.begin(thing("ConfigMap", "c", wave=0), thing("Deployment", "d", wave=1))

    assert world.run() == DONE


def test_between_two_waves_controllers_get_time_to_take_note(world: World) -> None:
    world.wave_delay = 2.0
    world.begin(thing("ConfigMap", "a", wave=0), thing("ConfigMap", "b", wave=1))

    assert world.step().until == START + 2.0
    assert world.step().until == START + 2.0
    assert world.cluster.names() == ["a"]
    world.now += 2.0
    assert world.step() == DONE


def test_a_wave_that_degrades_fails_the_operation_and_runs_the_sync_fail_hook(world: World) -> None:
    world.begin(
        thing("Deployment", "bad", wave=0), thing("ConfigMap", "later", wave=1), thing("Job", "tell", hook="SyncFail")
    )

    done = world.run(degrade("bad"))

    assert done == Done("Failed", "one or more synchronization tasks completed unsuccessfully")
    assert world.cluster.names() == ["bad", "tell"]


def test_an_object_that_cannot_be_applied_leaves_the_rest_of_its_wave_applied(world: World) -> None:
    world.cluster.refuse["bad"] = "no"
    world.begin(thing("ConfigMap", "bad"), thing("ConfigMap", "good"), thing("Deployment", "d"))

    done = world.step()

    assert done.phase == "Failed"
    assert done.message == "one or more objects failed to apply, reason: asked: no"
    assert world.results()["bad"] == ("SyncFailed", "asked: no")
    assert world.cluster.names() == ["d", "good"]


def test_with_several_waves_an_invalid_object_keeps_everything_from_being_applied(world: World) -> None:
    world.cluster.refuse["bad"] = "invalid"
    world.begin(thing("ConfigMap", "good", wave=0), thing("ConfigMap", "bad", wave=1))

    assert world.step() == Done("Failed", "one or more objects failed to apply (dry run)")
    assert world.cluster.log == []


def test_a_hook_is_completed_before_the_next_phase(world: World) -> None:
    world.begin(thing("Job", "before", hook="PreSync"), thing("ConfigMap", "c"))

    world.step()
    waiting = world.step()

    assert waiting.reason == "waiting for completion of hook batch/Job/before"
    assert world.run(everything_healthy) == DONE


def test_a_running_hook_in_the_last_wave_is_waited_for(world: World) -> None:
    world.begin(thing("ConfigMap", "c"), thing("Job", "h", hook="Sync"), thing("Job", "i", hook="Sync"))

    world.step()

    assert world.step().reason == "waiting for completion of hook batch/Job/h and 1 more hooks"
    assert world.run(everything_healthy).message == "successfully synced (no more tasks)"


def test_a_completed_hook_has_no_finalizer_left(world: World) -> None:
    world.begin(thing("Job", "h", hook="Sync"))
    world.step()
    [hook] = world.cluster.objects.values()
    assert hook["metadata"]["finalizers"] == ["argocd.argoproj.io/hook-finalizer"]

    world.run(everything_healthy)

    [hook] = world.cluster.objects.values()
    assert hook["metadata"]["finalizers"] == []


def test_a_hook_that_somebody_deletes_keeps_its_outcome(world: World) -> None:
    world.begin(thing("Job", "h", hook="Sync"))
    world.step()
    [(key, hook)] = world.cluster.objects.items()
    hook["status"] = {"health": "Healthy"}
    world.cluster.delete(key)

    assert world.run().phase == "Succeeded"
    assert world.cluster.names() == []


def test_an_object_that_vanishes_while_it_is_waited_for_is_an_error(world: World) -> None:
    world.begin(thing("Deployment", "d", wave=0), thing("ConfigMap", "c", wave=1))
    world.step()
    world.cluster.objects.clear()

    assert world.step() == Done("Error", "Resource apps/Deployment/d is missing, it might have been deleted")


@pytest.mark.parametrize(
    ("policy", "after_success", "after_failure"),
    [
        ("", ["h"], ["h"]),
        ("HookSucceeded", [], ["h"]),
        ("HookFailed", ["h"], []),
        ("HookSucceeded,HookFailed", [], []),
    ],
)
def test_delete_policies(policy: str, after_success: list[str], after_failure: list[str]) -> None:
    fine, broken = World().begin(thing("Job", "h", hook="Sync", policy=policy)), World()
    broken.begin(thing("Job", "h", hook="Sync", policy=policy))

    assert fine.run(everything_healthy).phase == "Succeeded"
    assert broken.run(degrade("h")).phase == "Failed"
    assert (fine.cluster.names(), broken.cluster.names()) == (after_success, after_failure)


def test_the_hook_of_an_earlier_sync_is_deleted_before_it_is_made_again(world: World) -> None:
    for _ in range(2):
        world.begin(thing("Job", "h", hook="Sync"))
        assert world.run(everything_healthy).phase == "Succeeded"
        world.now += 60

    assert world.cluster.log == [("create", "Job", "h"), ("delete", "Job", "h"), ("create", "Job", "h")]


def test_pruning_is_off_unless_the_operation_asks_for_it(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "old"))
    world.cluster.put(thing("ConfigMap", "kept", options="Prune=false"))

    world.begin(thing("ConfigMap", "new"))
    world.run()
    assert world.results()["old"] == ("PruneSkipped", "ignored (requires pruning)")

    world.begin(thing("ConfigMap", "new"), prune=True)
    world.run()
    assert world.results() == {
        "old": ("Pruned", "pruned"),
        "kept": ("PruneSkipped", "ignored (no prune)"),
        "new": ("Synced", "configmap/new serverside-applied"),
    }
    assert world.cluster.names() == ["kept", "new"]


def test_an_object_that_took_the_place_of_a_pruned_one_stays(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "old", wave=1))
    world.begin(thing("Deployment", "d"), prune=True)
    world.step()
    [key] = [key for key in world.cluster.objects if key.name == "old"]
    del world.cluster.objects[key]
    world.cluster.put(thing("ConfigMap", "old"))

    assert world.run(everything_healthy).phase == "Succeeded"
    assert "old" in world.cluster.names()


def test_what_is_pruned_is_gone_before_the_next_wave(world: World) -> None:
    world.cluster.put(thing("Deployment", "old"), finalizers=["slow"])
    world.begin(thing("ConfigMap", "new", wave=1), prune=True)

    world.step()
    waiting = world.step()

    assert waiting.reason == "waiting for deletion of apps/Deployment/old"
    assert world.cluster.names() == ["old"]
    world.cluster.objects.clear()
    assert world.step() == DONE


def test_prune_confirm_waits_for_a_persons_word(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "old", options="Prune=confirm"))
    world.begin(prune=True)

    assert world.step().reason == "waiting for pruning confirmation of /ConfigMap/old"
    world.approved = "2020-01-01T00:00:00Z"
    assert isinstance(world.step(), Parked)
    world.approved = "2023-11-14T22:13:20Z"
    assert world.step().phase == "Succeeded"
    assert world.cluster.names() == []


def test_the_objects_of_a_crd_wait_until_their_kind_is_served(world: World) -> None:
    crd = thing("CustomResourceDefinition", "widgets.x.io", spec={"group": "x.io", "names": {"kind": "Widget"}})
    world.cluster.late_kinds.add("Widget")
    world.begin(crd, thing("Widget", "w"))

    waiting = world.step()

    assert isinstance(waiting, Parked)
    assert waiting.reason == "waiting for the kind of x.io/Widget/w to be served"
    world.cluster.late_kinds.clear()
    assert world.step() == DONE


def test_a_kind_that_nothing_brings_is_a_failure(world: World) -> None:
    world.cluster.late_kinds.add("Widget")
    world.begin(thing("Widget", "w"), thing("ConfigMap", "c", wave=1))

    done = world.step()

    assert done.phase == "Failed"
    assert done.message.startswith(
        "one or more synchronization tasks are not valid: the cluster does not know the kind"
    )


def test_the_destination_namespace_is_created_first(world: World) -> None:
    world.app = application(["CreateNamespace=true"])
    world.begin(thing("ConfigMap", "c"))

    assert world.run() == DONE
    assert world.cluster.log == [("create", "Namespace", "prod"), ("create", "ConfigMap", "c")]
    assert world.results()["prod"] == ("Synced", "namespace/prod created")


def test_managed_metadata_is_applied_to_the_namespace_at_each_sync(world: World) -> None:
    managed = {"managedNamespaceMetadata": {"labels": {"team": "a"}}}
    world.app = application(["CreateNamespace=true"], syncPolicy=managed)
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}})

    world.begin(thing("ConfigMap", "c"))
    world.run()

    [namespace] = [obj for key, obj in world.cluster.objects.items() if key.kind == "Namespace"]
    assert namespace["metadata"]["labels"] == {"team": "a"}
    assert world.record.to_status()["syncResult"]["managedNamespaceMetadata"] == {"labels": {"team": "a"}}


def test_a_crd_is_never_pruned(world: World) -> None:
    world.cluster.put(thing("CustomResourceDefinition", "widgets.x.io"))

    assert world.begin(prune=True).run().phase == "Succeeded"
    assert world.cluster.names() == ["widgets.x.io"]


def test_a_dry_run_changes_nothing(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "old"))
    world.begin(thing("ConfigMap", "new"), dryRun=True, prune=True)

    assert world.run() == Done("Succeeded", "successfully synced (dry run)")
    assert world.cluster.log == []
    assert world.results() == {
        "new": ("Synced", "configmap/new serverside-applied (dry run)"),
        "old": ("Pruned", "pruned (dry run)"),
    }


def test_replace_updates_what_is_there_and_creates_what_is_not(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "there"))
    world.begin(thing("ConfigMap", "there", options="Replace=true"), thing("ConfigMap", "not", options="Replace=true"))

    assert world.run() == DONE
    assert sorted(world.cluster.log) == [("create", "ConfigMap", "not"), ("replace", "ConfigMap", "there")]


def test_replace_with_force_deletes_once_even_if_the_worker_dies_right_after(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "c"))
    world.begin(thing("ConfigMap", "c", options="Replace=true,Force=true"))

    def die_when_created() -> None:
        if ("create", "ConfigMap", "c") in world.cluster.log:
            raise Killed

    world.cluster.fuse = die_when_created
    with pytest.raises(Killed):
        world.step()
    world.cluster.fuse = lambda: None

    assert world.run() == DONE
    assert [verb for verb, _, _ in world.cluster.log if verb in ("delete", "create")] == ["delete", "create"]


def test_a_worker_that_lost_the_lock_stops_writing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.begin(thing("ConfigMap", "a"), thing("ConfigMap", "b"))
    original = world.context

    def lost() -> None:
        raise LockLost("another worker")

    def context() -> object:
        made = original()
        made.check_lock = lost
        return made

    monkeypatch.setattr(world, "context", context)

    with pytest.raises(LockLost):
        world.step()
    assert world.cluster.log == []


def test_an_operation_that_only_the_cr_remembers_goes_on(world: World) -> None:
    world.begin(thing("Job", "before", hook="PreSync"), thing("ConfigMap", "c"))
    world.step()
    world.app.status["operationState"] = world.record.to_status()

    resumed = OperationRecord.resume(world.app, artifact="a")
    assert resumed is not None
    world.kept = resumed.to_json()

    assert world.run(everything_healthy) == DONE
    assert world.cluster.log.count(("create", "Job", "before")) == 1


def test_a_wave_of_hundreds_is_several_steps(world: World) -> None:
    count = 2 * STEP_TASKS + 1
    world.begin(*(thing("ConfigMap", f"c-{n:04}") for n in range(count)))

    assert isinstance(world.step(), Again)
    assert len(world.cluster.names()) == STEP_TASKS
    assert isinstance(world.step(), Again)
    assert world.step() == DONE
    assert len(world.cluster.names()) == count


def test_in_a_large_wave_an_object_that_is_refused_leaves_the_rest_applied_and_fails_the_operation(
    world: World,
) -> None:
    world.cluster.refuse["c-0000"] = "no"
    world.begin(*(thing("ConfigMap", f"c-{n:04}") for n in range(STEP_TASKS + 1)))

    assert isinstance(world.step(), Again)
    done = world.step()
    assert isinstance(done, Done)
    assert done.phase == "Failed"
    assert len(world.cluster.names()) == STEP_TASKS
