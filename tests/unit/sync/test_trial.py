"""A plan with several waves or hooks is tried whole before anything is written; a large one in many steps."""

from __future__ import annotations

from sync_twin import World, everything_healthy, thing

from gitops.sync import STEP_TASKS, Again, Done

LARGE = 2 * STEP_TASKS + 50


def large(world: World) -> World:
    """An operation of a hook and so many objects."""
    objects = [thing("ConfigMap", f"part-{n:03}") for n in range(LARGE)]
    return world.begin(thing("Job", "before", hook="PreSync"), *objects)


def requests(world: World, verb: str) -> int:
    return sum(1 for asked, _ in world.cluster.requests if asked == verb)


def test_no_step_tries_more_than_it_may_write(world: World) -> None:
    large(world)
    tried = 0
    while not world.cluster.log:
        outcome = world.step()
        assert requests(world, "dry-run") - tried <= STEP_TASKS
        tried = requests(world, "dry-run")
        if not world.cluster.log:
            assert isinstance(outcome, Again)
    assert tried == LARGE + 1
    assert world.run(everything_healthy).phase == "Succeeded"
    assert requests(world, "dry-run") == LARGE + 1


def test_one_invalid_object_at_its_end_keeps_all_from_being_written(world: World) -> None:
    world.cluster.refuse[f"part-{LARGE - 1:03}"] = "invalid"
    assert large(world).run() == Done("Failed", "one or more objects failed to apply (dry run)")
    assert world.cluster.log == []
    assert world.results() == {f"part-{LARGE - 1:03}": ("SyncFailed", "asked: invalid")}


def test_a_kind_that_nothing_brings_is_named_however_early_it_was_tried(world: World) -> None:
    world.cluster.late_kinds.add("Job")
    done = large(world).run()
    assert done.phase == "Failed"
    assert done.message.startswith("one or more synchronization tasks are not valid: ")
    assert "Job" in done.message
    assert world.cluster.log == []


def test_a_retry_tries_all_of_it_again(world: World) -> None:
    world.cluster.refuse["part-000"] = "invalid"
    large(world)
    world.begin(*world.objects, retry={"limit": 1, "backoff": {"duration": "1s"}})
    assert world.run().phase == "Failed"
    assert requests(world, "dry-run") == 2 * (LARGE + 1)


def test_a_dry_run_tells_of_each_object_once(world: World) -> None:
    world.cluster.put(thing("ConfigMap", "old"))
    world.begin(*[thing("ConfigMap", f"part-{n:03}") for n in range(LARGE)], dryRun=True, prune=True)
    assert world.run() == Done("Succeeded", "successfully synced (dry run)")
    assert len(world.results()) == LARGE + 1
    assert requests(world, "dry-run") == LARGE
    assert world.cluster.log == []
