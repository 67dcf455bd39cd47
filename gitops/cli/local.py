"""The engine on this machine: beat, workers, Flower, and what they stand on unless real ones are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import redis

from gitops.cluster import ApiError, ClusterClient, Connection
from gitops.errors import GitOpsError
from gitops.model.objects import GVK, Manifest

if TYPE_CHECKING:
    from testbed.engine import Engine

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Local:
    """What runs."""

    kubeconfig: Path
    redis_url: str
    engine: Engine
    client: ClusterClient
    namespace: str


@contextmanager
def told() -> Iterator[None]:
    """What cannot be built or started is a GitOpsError: a sentence for the user, not a traceback."""
    from testbed.build import BuildError
    from testbed.processes import TestbedError

    try:
        yield
    except (BuildError, TestbedError) as error:
        raise GitOpsError(str(error)) from None


@contextmanager
def local(
    say: Say,
    *,
    kubeconfig: Path | None = None,
    redis_url: str = "",
    workers: int = 2,
    namespace: str = "argocd",
    env: Mapping[str, str] | None = None,
) -> Iterator[Local]:
    """Run the engine until the block ends. Only a cluster whose kubeconfig is named is touched.

    Raises GitOpsError where what is named does not answer, TestbedError or BuildError where a part cannot be built or
    started.
    """
    # The control plane for a quick start comes with the testbed; a cluster and Redis that are named need none of it.
    from testbed.controlplane import ControlPlane
    from testbed.engine import Engine, custom_resources
    from testbed.redis import RedisServer

    with ExitStack() as stack:
        if kubeconfig is None:
            say("Starting a control plane (the first time it is built from Go modules, which takes minutes)")
            kubeconfig = stack.enter_context(ControlPlane()).kubeconfig
        if redis_url:
            _answers(redis_url)
        else:
            redis_url = stack.enter_context(RedisServer()).url
        say("Installing the custom resources")
        client = ClusterClient(Connection.from_kubeconfig(kubeconfig))
        install(client, namespace, custom_resources())
        say(f"Starting beat, {workers} workers and Flower")
        engine = stack.enter_context(
            Engine(kubeconfig, redis_url, workers=workers, flower=True, namespace=namespace, env=env)
        )
        yield Local(kubeconfig, redis_url, engine, client, namespace)


def _answers(redis_url: str) -> None:
    """Raises GitOpsError naming the server, and nothing else of the URL, where no Redis answers there."""
    where = urlsplit(redis_url)
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=5, socket_timeout=5) as server:
            server.ping()
    except (redis.RedisError, ValueError) as error:
        at = f"{where.hostname}:{where.port or 6379}" if where.hostname else "the URL given"
        raise GitOpsError(f"no Redis answers at {at} ({type(error).__name__}); check --redis") from None


def install(client: ClusterClient, namespace: str, resources: list[dict[str, object]]) -> None:
    """Apply the custom resource definitions, wait until they are served, and make the control namespace."""
    for resource in resources:
        client.apply(Manifest.of(resource))
    client.discovery.invalidate()
    for kind in ("Application", "AppProject", "ApplicationSet"):
        wait_served(client, GVK("argoproj.io", "v1alpha1", kind))
    client.apply(Manifest.of({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))


def wait_served(client: ClusterClient, gvk: GVK, seconds: float = 30.0) -> None:
    """Wait until the cluster serves a kind whose definition was just applied. Raises what it says after `seconds`."""
    import time

    deadline = time.monotonic() + seconds
    while True:
        try:
            client.resource_for(gvk.group, gvk.kind)
            next(client.list(gvk), None)
        except ApiError:
            pass
        except Exception as error:
            if time.monotonic() > deadline:
                raise error from None
        else:
            return
        client.discovery.invalidate()
        time.sleep(0.1)


def load(path: Path, **replacements: str) -> list[dict[str, object]]:
    """The documents of a YAML file with `{{name}}` replaced."""
    import yaml

    text = path.read_text()
    for name, value in replacements.items():
        text = text.replace("{{" + name + "}}", value)
    docs: list[dict[str, object]] = [doc for doc in yaml.safe_load_all(text) if doc]
    return orjson.loads(orjson.dumps(docs))  # type: ignore[no-any-return]
