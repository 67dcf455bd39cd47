"""Any plan, with failures and the worker killed between any two requests: the order holds, nothing is done twice with
effect, and it ends as the undisturbed operation does."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sync_twin import Killed, World, thing

from gitops.model.health import DEGRADED, HEALTHY
from gitops.sync import Done, Plan

KINDS = ("ConfigMap", "Deployment", "Secret")
HOOKS = ("PreSync", "Sync", "PostSync", "SyncFail", "PreSync,PostSync")
POLICIES = ("", "HookSucceeded", "HookFailed", "BeforeHookCreation", "HookSucceeded,BeforeHookCreation")

resource = st.tuples(st.sampled_from(KINDS), st.integers(-2, 2), st.just(""), st.just(""))
hook = st.tuples(st.just("Job"), st.integers(-1, 1), st.sampled_from(HOOKS), st.sampled_from(POLICIES))
things = st.lists(st.one_of(resource, resource, hook), max_size=7)
fates = st.lists(st.sampled_from(["fine", "fine", "fine", "refused", "degraded"]), min_size=7, max_size=7)


def build(shapes: list, fate: list[str], leftovers: int) -> World:
    """A world with objects of these shapes, some of which will fail, and some that Git no longer has."""
    world = World()
    objects = []
    for index, (kind, wave, phases, policy) in enumerate(shapes):
        name = f"o{index}"
        objects.append(thing(kind, name, wave=wave, hook=phases, policy=policy))
        if fate[index] == "refused":
            world.cluster.refuse[name] = "no"
    for index in range(leftovers):
        world.cluster.put(thing("ConfigMap", f"old{index}", wave=index))
    world.begin(*objects, prune=True)
    return world


def react(shapes: list, fate: list[str]):
    """What the controllers do: everything becomes healthy, but what is fated to degrade."""

    def controllers(world: World) -> None:
        for key, obj in world.cluster.objects.items():
            index = int(key.name[1:]) if key.name[1:].isdigit() else -1
            bad = index >= 0 and fate[index] == "degraded"
            obj.setdefault("status", {})["health"] = DEGRADED if bad else HEALTHY

    return controllers


def positions(plan: Plan) -> dict[tuple[str, str], tuple[int, int]]:
    """(kind, name) -> the earliest (phase, wave) at which it may be written."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for task in plan.tasks:
        key = (task.key.kind, task.key.name)
        found[key] = min(task.group, found.get(key, task.group))
    return found


def final(world: World) -> dict[str, object]:
    return {
        "objects": sorted((key.kind, key.name) for key in world.cluster.objects),
        "phase": world.record.phase,
        "message": world.record.message,
        "results": world.results(),
    }


def first_writes(world: World) -> list[tuple[str, str]]:
    """Objects in the order in which they were first made or deleted, but for hooks that are cleaned up in the end."""
    made = [(kind, name) for verb, kind, name in world.cluster.log if verb == "create" or name.startswith("old")]
    return list(dict.fromkeys(made))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes=things, fate=fates, leftovers=st.integers(0, 3))
def test_the_order_holds_and_it_ends(shapes: list, fate: list[str], leftovers: int) -> None:
    world = build(shapes, fate, leftovers)

    done = world.run(react(shapes, fate))

    assert isinstance(done, Done)
    plan = world.record.plan
    assert plan is not None
    place = positions(plan)
    written = [place[key] for key in first_writes(world)]
    assert written == sorted(written)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shapes=things,
    fate=fates,
    leftovers=st.integers(0, 3),
    kills=st.lists(st.integers(1, 40), max_size=6),
)
def test_kills_at_any_request_change_nothing(shapes: list, fate: list[str], leftovers: int, kills: list[int]) -> None:
    calm, killed = build(shapes, fate, leftovers), build(shapes, fate, leftovers)
    calm.run(react(shapes, fate))
    countdown = [0]
    ahead = list(kills)

    def fuse() -> None:
        countdown[0] += 1
        if ahead and countdown[0] >= ahead[0]:
            ahead.pop(0)
            countdown[0] = 0
            raise Killed

    killed.cluster.fuse = fuse
    for _ in range(len(kills) + 1):
        try:
            killed.run(react(shapes, fate))
            break
        except Killed:
            continue

    assert final(killed) == final(calm)
    # At most once with effect: each object is created and deleted as often as without a kill.
    assert Counter(killed.cluster.log) == Counter(calm.cluster.log)
