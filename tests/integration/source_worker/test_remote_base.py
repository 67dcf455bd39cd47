"""A kustomize base in another repository: whoever commits there reaches the applications by the interval alone."""

from __future__ import annotations

from testbed.world import World, eventually

FILE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\ndata: {version: '%s'}\n"


def test_a_commit_to_a_remote_base_arrives(world: World) -> None:
    far = world.repo({"base/kustomization.yaml": "resources: [cm.yaml]\n", "base/cm.yaml": FILE % "one"})
    near = world.repo({"app/kustomization.yaml": f"resources: ['{far.http_url}//base?ref=main']\n"})
    names = ["near-a", "near-b"]
    for name in names:
        world.application(name, near.http_url)
    for name in names:
        world.becomes(name)
    far.publish({"base/cm.yaml": FILE % "two"})

    def version(name: str) -> str:
        return str((world.live("ConfigMap", name, "base") or {}).get("data", {}).get("version"))

    for name in names:
        eventually(lambda name=name: version(name) == "two", f"the base's commit in {name}", context=world.logs)
        world.becomes(name)
