"""The desired state of Applications as a worker makes it: a real Git server, Redis and render process; no cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gitops.model.application import Application
from gitops.model.credentials import RepositoryConfig
from gitops.model.project import AppProject, default_project
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.refs import RefsReader
from gitops.reconcile.sources import Desires, Target
from gitops.settings import Settings
from gitops.source import Rendered, Renderer, RenderRequest
from gitops.source.access import Bounds, RemoteFiles
from gitops.source.charts import ChartRepositories
from gitops.source.git import Mirrors
from gitops.state import State
from gitops.state.apps import DesiredState

BOUNDS = Bounds(protocols=frozenset({"http", "https"}), private_hosts=frozenset({"127.0.0.1"}), index_seconds=0.0)
TARGET = Target(lambda _gvk: True, lambda: "v1.35.0", lambda: ())


class CountingRenderer(Renderer):
    """Notes the path of every render."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.paths: list[str] = []

    def render(self, request: RenderRequest, *args: Any, **kwargs: Any) -> Rendered:
        self.paths.append(request.path)
        return super().render(request, *args, **kwargs)


@dataclass
class Desk:
    """One worker with a disk of its own; what the cluster says is given."""

    state: State
    disk: Path
    renderer: CountingRenderer
    settings: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    project: AppProject = field(default_factory=lambda: default_project("argocd"))
    bounds: Bounds = BOUNDS

    def make(
        self,
        name: str,
        source: dict[str, Any] | list[dict[str, Any]],
        former: DesiredState | None = None,
        *,
        hard: bool = False,
        annotations: dict[str, str] | None = None,
    ) -> DesiredState:
        """What `fetch` makes of an Application with this source, or these."""
        app = Application.from_object(
            {
                "metadata": {"name": name, "namespace": "argocd", "annotations": annotations or {}},
                "spec": {
                    "sources" if isinstance(source, list) else "source": source,
                    "destination": {"name": "in-cluster", "namespace": name},
                },
            }
        )
        config = RepositoryConfig(gpg_keys=self.keys)
        refs = RefsReader(self.state, 180.0, "test")
        desires = Desires(
            state=self.state,
            mirrors=Mirrors(self.disk / "git", config, bounds=self.bounds),
            charts=ChartRepositories(self.disk / "charts", config, bounds=self.bounds),
            files=RemoteFiles(self.disk / "files", config, bounds=self.bounds),
            renderer=self.renderer,
            refs=refs,
            namespace="argocd",
        )
        control = ControlConfig("argocd", config_maps={"argocd-cm": self.settings})
        with refs.telling():
            return desires.make(app, self.project, control, TARGET, desires.resolve(app), former, hard=hard)

    def names(self, desired: DesiredState) -> list[str]:
        """The objects of an outcome."""
        artifact = self.state.artifacts.get(desired.artifact)
        assert artifact is not None
        return sorted(manifest.key.name for manifest in artifact.objects)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CountingRenderer]:
    made = CountingRenderer(sandbox="required", kustomize="kubectl")
    yield made
    made.close()


@pytest.fixture
def desk(redis_url: str, tmp_path: Path, renderer: CountingRenderer) -> Desk:
    renderer.paths.clear()
    return Desk(State(Settings(redis_url=redis_url, seal_key="of the test")), tmp_path / "disk", renderer)


@pytest.fixture
def repository(git_server: Any, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    """Make repositories of this test's own."""
    made: list[str] = []

    def create(name: str) -> Any:
        made.append(f"desired/{request.node.name.partition('[')[0][:40]}-{name}")
        return git_server.create(made[-1])

    yield create
    for name in made:
        git_server.remove(name)
