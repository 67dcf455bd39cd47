"""What a render is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gitops.model.application import Source
from gitops.model.objects import Object
from gitops.project.urls import redact


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one render; beyond them it fails with a RenderError that names the bound."""

    #: Seconds until the render is killed.
    wall_seconds: float = 60.0
    #: CPU seconds of the render's processes.
    cpu_seconds: int = 60
    #: MiB of memory of each of the render's processes.
    memory_mib: int = 512
    #: MiB of files that one render may read.
    input_mib: int = 64
    #: MiB of YAML and JSON files of a directory source (`reposerver.max.combined.directory.manifests.size`).
    directory_mib: int = 10
    #: MiB of rendered objects.
    output_mib: int = 32
    #: Objects of one source.
    objects: int = 20_000
    #: Levels of maps and lists inside one another.
    depth: int = 200
    #: Files that one render may read.
    files: int = 20_000


@dataclass(frozen=True, slots=True)
class BuildEnv:
    """The build environment, `ARGOCD_APP_*` (specs section 2)."""

    app_name: str = ""
    namespace: str = ""
    project: str = "default"
    revision: str = ""
    repo_url: str = ""
    path: str = ""
    target_revision: str = ""

    def variables(self) -> dict[str, str]:
        """The variables by name; no user or password of the repository's URL is among them."""
        return {
            "ARGOCD_APP_NAME": self.app_name,
            "ARGOCD_APP_NAMESPACE": self.namespace,
            "ARGOCD_APP_PROJECT_NAME": self.project,
            "ARGOCD_APP_REVISION": self.revision,
            "ARGOCD_APP_REVISION_SHORT": self.revision[:7],
            "ARGOCD_APP_REVISION_SHORT_8": self.revision[:8],
            "ARGOCD_APP_SOURCE_REPO_URL": redact(self.repo_url),
            "ARGOCD_APP_SOURCE_PATH": self.path,
            "ARGOCD_APP_SOURCE_TARGET_REVISION": self.target_revision,
        }


@dataclass(frozen=True, slots=True)
class PluginCommand:
    """A plugin as the operator declares it in settings; a repository can choose one by name, never its command."""

    name: str
    #: Runs in a copy of the application's path and prints manifests to stdout.
    generate: tuple[str, ...]
    #: Runs before `generate`.
    init: tuple[str, ...] = ()
    #: Globs on files of the application's path; a match means that a source without explicit type is this plugin's.
    discover: tuple[str, ...] = ()
    #: Further folders that the command may read.
    readable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChartDependency:
    """A chart that a chart in Git names in its dependencies and does not bring along."""

    name: str
    version: str
    repository: str


@dataclass(frozen=True, slots=True)
class RemoteBase:
    """A kustomize base in another repository, as a kustomization names it."""

    #: As written, for messages.
    url: str
    repo_url: str
    #: Branch, tag or commit; "" is HEAD.
    ref: str
    #: The folder in that repository.
    path: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a URL that a source names: a Helm value file or file parameter, a resource of a kustomization."""

    url: str


class Brought(Protocol):
    """The checkout of a remote base: `need(path)` materialises a path below `root`."""

    @property
    def root(self) -> Path: ...

    def need(self, path: str) -> None: ...


@dataclass(frozen=True)
class RenderRequest:
    """One source to render.

    Nothing under `root`, `refs` or `chart_dir` is ever written, so one checkout serves any number of renders at a time.
    """

    #: The checkout; for a chart from a chart repository, the unpacked chart's folder.
    root: Path
    #: The application's path in the checkout, "." for its root.
    path: str
    source: Source
    #: Every file at or below `path` by its path, where they need not be on disk before `need` is called; else None.
    given: Mapping[str, bytes] | None = None
    #: Symlinks may lead to what is below this folder of `root`, no further.
    links: str = "."
    env: BuildEnv = field(default_factory=BuildEnv)
    #: The checkouts of sources with a `ref`, by that name without `$`.
    refs: Mapping[str, Path] = field(default_factory=dict)
    #: The unpacked chart of a chart repository source; `root` and `path` are then not looked at.
    chart_dir: Path | None = None
    #: Of the destination cluster; the source's own kubeVersion and apiVersions win.
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    #: Source types that are switched off, of "Helm", "Kustomize", "Jsonnet" (argocd-cm `helm.enable` and so on).
    disabled: frozenset[str] = frozenset()
    #: What the operator declares, by name.
    plugins: Mapping[str, PluginCommand] = field(default_factory=dict)
    #: `kustomize.buildOptions` of argocd-cm.
    kustomize_build_options: str = ""
    #: Schemes of value files at URLs (argocd-cm `helm.valuesFileSchemes`).
    value_file_schemes: tuple[str, ...] = ("https", "http")


@dataclass(frozen=True)
class Rendered:
    """What one source gives."""

    #: As rendered: not yet exploded, namespaced or tracked (see `finish`).
    objects: list[Object]
    #: Where each of the objects comes from, for errors: "deploy.yaml, document 2".
    origins: list[str]
    #: Helm, Kustomize, Directory or Plugin.
    source_type: str
    #: The application's own path, and all outside of it that the render read or looked for in the checkout: files,
    #: listed folders, symlinks, and names that did not exist. While their tree ids are unchanged, so is the result.
    inputs: frozenset[str]
    #: The same for each `$ref`.
    ref_inputs: Mapping[str, frozenset[str]]
    warnings: tuple[str, ...]
    #: Milliseconds of wall time and peak MiB of the render's own process.
    ms: float
    peak: float
    #: The bases of other repositories that went in, and what the render read in each.
    remotes: Mapping[RemoteBase, frozenset[str]]
    #: The source as it was rendered, `.argocd-source.yaml` applied.
    source: Source
