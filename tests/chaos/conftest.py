"""A control plane shared with the other tests; an engine of its own for each test that breaks one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gitops.cli.local import install
from gitops.cluster import ClusterClient, Connection
from gitops.model.objects import GVK, key_of
from testbed.controlplane import ControlPlane
from testbed.engine import Engine, custom_resources
from testbed.gitserver import GitServer
from testbed.redis import RedisServer
from testbed.world import World, eventually

APPLICATION = GVK("argoproj.io", "v1alpha1", "Application")
StartWorld = Callable[..., World]


@pytest.fixture
def start_world(control_plane: ControlPlane, git_server: GitServer) -> Iterator[StartWorld]:
    """Starts an engine over a Redis of its own; `kubeconfig` makes it another user, other arguments go to Engine."""
    client = ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
    install(client, "argocd", custom_resources())
    _clear(client)
    with ExitStack() as stack:

        def start(**options: Any) -> World:
            redis = stack.enter_context(RedisServer())
            env = {"GITOPS_REPO_PROTOCOLS": "https,ssh,http", **options.pop("env", {})}
            kubeconfig = options.pop("kubeconfig", control_plane.kubeconfig)
            engine = stack.enter_context(Engine(kubeconfig, redis.url, env=env, **options))
            return World(client, engine, git_server, control_plane, redis)

        yield start
    _clear(client)


def _clear(client: ClusterClient) -> None:
    """Take away the Applications that tests left, with what would hold them: their engines are gone."""
    for app in client.list(APPLICATION, namespace="argocd"):
        if app["metadata"].get("finalizers"):
            client.merge_patch(key_of(app), {"metadata": {"finalizers": None}})
        client.delete(key_of(app), propagation="Background")
    eventually(
        lambda: not list(client.list(APPLICATION, namespace="argocd")), "a control namespace without Applications"
    )
