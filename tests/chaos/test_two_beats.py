"""Two beats share what is followed on a cluster; when one dies, the other follows its part too."""

from __future__ import annotations

from collections.abc import Callable

from beat.sharing import shards_of
from gitops.model.objects import ObjectKey
from gitops.settings import Settings
from gitops.state import State
from testbed.world import World, eventually

StartWorld = Callable[..., World]
IN_CLUSTER = "https://kubernetes.default.svc"
#: Two kinds that are in different parts of two.
OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def test_each_beat_follows_its_part_and_the_survivor_follows_both(start_world: StartWorld) -> None:
    world = start_world(workers=1, beats=2, env={"GITOPS_LEASE_TTL": "3", "GITOPS_WATCH_SHARDS": "2"})
    state = State(Settings(redis_url=world.redis.url, seal_key=world.engine.env["GITOPS_SEAL_KEY"]))
    world.application("shared", world.repo({"app/objects.yaml": OBJECTS}).http_url)
    world.becomes("shared")

    shards = shards_of({IN_CLUSTER: {("", "ConfigMap"), ("", "Service")}}, 2)
    assert len(shards) == 2

    def holders() -> list[str]:
        return [state.shards.holder(str(shard)) for shard in shards]

    eventually(lambda: len(set(holders()) - {""}) == 2, "each beat with its part", 20, world.logs)

    def heals(turn: str) -> None:
        """Somebody edits an object of each part: the watch of either brings it back."""
        settings, web = ObjectKey("", "ConfigMap", "shared", "settings"), ObjectKey("", "Service", "shared", "web")
        world.client.merge_patch(settings, {"data": {"colour": turn}})
        world.client.merge_patch(web, {"spec": {"selector": {"app": turn}}})
        eventually(lambda: world.client.get(settings)["data"] == {"colour": "blue"}, f"{turn}: data", 60, world.logs)
        eventually(lambda: world.client.get(web)["spec"]["selector"] == {"app": "web"}, f"{turn}: spec", 60, world.logs)

    heals("both")
    lost = holders()[0]
    dead = next(beat for beat in world.engine.beats if f"sharing as {lost}" in world.engine.log(beat))
    world.engine.kill(dead)
    eventually(lambda: len(set(holders())) == 1 and lost not in holders(), "one that has both parts", 15, world.logs)
    heals("one")
