"""What keeps an operation from running, what ends it, and what makes it try again."""

from sync_twin import START, World, application, thing

from gitops.sync import Again, Done

DONE = Done("Succeeded", "successfully synced (all tasks run)")


def test_a_project_that_permits_no_namespaces_permits_no_created_one(world: World) -> None:
    world.app = application(["CreateNamespace=true"])
    world.permits = lambda key, version: f"{key.kind} is not permitted in project p" if key.kind == "Namespace" else ""
    world.begin(thing("ConfigMap", "c"))

    done = world.step()

    assert done.message == ("one or more synchronization tasks are not valid: Namespace is not permitted in project p")
    assert world.cluster.log == []
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}})
    assert world.begin(thing("ConfigMap", "c")).run() == DONE


def test_an_object_that_the_project_denies_keeps_everything_from_being_applied(world: World) -> None:
    world.permits = lambda key, version: f"{key.name} is denied" if key.name == "bad" else ""
    world.begin(thing("ConfigMap", "bad"), thing("ConfigMap", "good"))

    assert world.step() == Done("Failed", "one or more synchronization tasks are not valid: bad is denied")
    assert world.cluster.log == []
    assert world.results() == {"bad": ("SyncFailed", "bad is denied")}


def test_a_shared_resource_fails_the_operation_if_the_application_says_so(world: World) -> None:
    world.app = application(["FailOnSharedResource=true"])
    world.shared = ["ConfigMap/c is part of applications app and other"]

    done = world.begin(thing("ConfigMap", "c")).step()

    assert done == Done("Failed", "Shared resource found: ConfigMap/c is part of applications app and other")


def test_a_failed_operation_is_tried_again_after_its_backoff(world: World) -> None:
    world.cluster.refuse["c"] = "no"
    world.begin(thing("ConfigMap", "c"), retry={"limit": 2})

    first = world.step()
    assert first.until == START + 5
    assert first.reason == "one or more objects failed to apply, reason: asked: no. Retrying attempt #1 at 10:13PM."
    assert world.record.to_status()["phase"] == "Running"
    world.now = first.until
    assert isinstance(world.step(), Again)
    second = world.step()
    assert second.until == START + 15
    world.now = second.until
    assert world.run() == Done("Failed", "one or more objects failed to apply, reason: asked: no (retried 2 times).")
    assert world.record.to_status()["retryCount"] == 2


def test_a_retry_succeeds_when_the_cause_is_gone(world: World) -> None:
    world.cluster.refuse["c"] = "no"
    world.begin(thing("ConfigMap", "c"), retry={"limit": 1})
    world.step()
    world.cluster.refuse.clear()

    assert world.run() == DONE
    assert world.results()["c"][0] == "Synced"


def test_a_terminated_operation_takes_its_running_hooks_along(world: World) -> None:
    world.begin(thing("Job", "h", hook="PreSync"), thing("ConfigMap", "c"), retry={"limit": 5})
    world.step()
    world.terminate = True

    assert world.step() == Done("Failed", "Operation terminated")
    assert world.cluster.names() == []


def test_a_backoff_that_cannot_be_read_ends_the_operation(world: World) -> None:
    world.cluster.refuse["c"] = "no"
    world.begin(thing("ConfigMap", "c"), retry={"limit": 2, "backoff": {"duration": "soon"}})

    done = world.step()

    assert done.phase == "Failed"
    assert done.message.endswith("it is not tried again: 'soon' is not a duration; write it like 30s, 5m or 1h30m")
    assert world.record.to_status()["finishedAt"] == "2023-11-14T22:13:20Z"
