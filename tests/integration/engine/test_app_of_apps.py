"""An Application that holds Applications works as any object does."""

from __future__ import annotations

import yaml
from appsets import IN_CLUSTER

from testbed.world import World, eventually


def test_an_application_that_holds_applications(world: World, small: dict[str, str]) -> None:
    leaf = world.repo(small)

    def child(name: str) -> str:
        return yaml.safe_dump(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {
                    "name": name,
                    "namespace": "argocd",
                    "finalizers": ["resources-finalizer.argocd.argoproj.io"],
                },
                "spec": {
                    "project": "default",
                    "source": {"repoURL": leaf.http_url, "path": "app", "targetRevision": "HEAD"},
                    "destination": {"server": IN_CLUSTER, "namespace": name},
                    "syncPolicy": {"automated": {}, "syncOptions": ["CreateNamespace=true"]},
                },
            }
        )

    root = world.repo({"app/one.yaml": child("leaf-one"), "app/two.yaml": child("leaf-two")})
    world.application("root", root.http_url)
    world.becomes("root")
    world.becomes("leaf-one")
    world.becomes("leaf-two")
    tracking = world.app("leaf-one")["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"]
    assert tracking == "root:argoproj.io/Application:argocd/leaf-one"
    root.delete("app/two.yaml")
    root.commit("one fewer")
    root.push()
    world.engine.gitops("app", "refresh", "root")
    eventually(lambda: not world.app("leaf-two"), "the pruned Application's end", context=world.logs)
    assert world.live("ConfigMap", "leaf-two", "settings") is None
    world.becomes("root")
