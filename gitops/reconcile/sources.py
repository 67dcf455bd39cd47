"""An Application's desired state: resolved, compared by tree id, rendered only where something changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitops.errors import GitOpsError
from gitops.model.application import Application, Source
from gitops.model.artifact import Artifact
from gitops.model.names import MANIFEST_GENERATE_PATHS
from gitops.model.objects import GVK, canonical, digest
from gitops.model.project import AppProject
from gitops.observe import trace
from gitops.reconcile import budget
from gitops.reconcile.control import ControlConfig
from gitops.reconcile.generate_paths import declared
from gitops.reconcile.outside import UNTRACKABLE, Outsiders, tracked
from gitops.reconcile.refs import RefsReader
from gitops.source import BuildEnv, Limits, Rendered, Renderer, RenderRequest, finish, plain
from gitops.source.access import RemoteFiles
from gitops.source.charts import ChartRepositories
from gitops.source.git import Mirrors
from gitops.source.request import PluginCommand
from gitops.state import State
from gitops.state.apps import DesiredState, Outside
from gitops.state.due import Tracked

#: Part of every address: raise it when the same input renders differently.
RENDERER_VERSION = "1"
FULL_SHA = 40
#: How the keys of argocd-cm begin that decide what is rendered.
_RENDERING = ("kustomize.", "helm.", "jsonnet.", "resource.exclusions", "resource.inclusions")


@dataclass(frozen=True, slots=True)
class Target:
    """The destination cluster, as rendering needs to know it."""

    scope: Callable[[GVK], bool | None]
    kube_version: Callable[[], str]
    api_versions: Callable[[], tuple[str, ...]]


@dataclass(slots=True)
class Resolved:
    """One source with its revision pinned: a commit, or a chart's exact version."""

    source: Source
    revision: str
    tracked: Tracked | None
    #: The annotated tag that was asked for, by its object id; "" where it was none.
    tag: str = ""
    #: Repository paths that decided the last render; None where that is not known.
    inputs: tuple[str, ...] | None = None
    checkout: Any = None


@dataclass(slots=True)
class Desires:
    """Makes the desired state of one Application's project: mirrors and charts know its credentials and its limits."""

    state: State
    mirrors: Mirrors
    charts: ChartRepositories
    files: RemoteFiles
    renderer: Renderer
    refs: RefsReader
    namespace: str
    limits: Limits = field(default_factory=Limits)
    #: MiB that a worker process may use.
    memory_mib: int = 384
    plugins: dict[str, PluginCommand] = field(default_factory=dict)
    _known_ids: dict[tuple[str, str, tuple[str, ...]], list[tuple[str, str | None]]] = field(default_factory=dict)

    def resolve(self, app: Application, revisions: tuple[str, ...] = ()) -> list[Resolved]:
        """Pin each source's revision; `revisions` override the spec's, by source.

        Raises RepositoryError, RevisionError, InvalidSpecError, or refs.Waiting.
        """
        out = []
        for index, source in enumerate(app.all_sources):
            wanted = revisions[index] if index < len(revisions) and revisions[index] else source.target_revision
            if source.chart or source.repo_url.startswith("oci://"):
                version = self.charts.resolve(source.repo_url, source.chart, wanted)
                tracked = None if version == wanted else Tracked(source.repo_url, UNTRACKABLE, version)
                out.append(Resolved(source, version, tracked))
                continue
            wanted = wanted or "HEAD"
            refs = self.refs.get(self.mirrors, source.repo_url, app.id, wanted)
            revision = refs.require(wanted, source.tag_prefix)
            if len(revision) < FULL_SHA:
                revision = self.mirrors.ensure(source.repo_url, revision)
            self.refs.note(source.repo_url, wanted, revision)
            tag = refs.annotated(wanted, source.tag_prefix)
            if not tag and refs.resolve(source.target_revision, source.tag_prefix) == revision:
                # An operation names the commit of the tag that the spec means.
                tag = refs.annotated(source.target_revision, source.tag_prefix)
            out.append(Resolved(source, revision, Tracked(source.repo_url, wanted, revision), tag))
        return out

    def make(
        self,
        app: Application,
        project: AppProject,
        config: ControlConfig,
        target: Target,
        sources: list[Resolved],
        former: DesiredState | None,
        *,
        hard: bool = False,
    ) -> DesiredState:
        """Render what changed and keep the Artifact. `hard` renders whatever was rendered before.

        Raises SourceError and its kin, with one sentence each.
        """  # fmt: skip
        params = self._params(app, project, config, target, sources)
        outsiders = self._outsiders(app, fresh=hard)
        with closing(outsiders):
            if former and former.artifact and len(former.inputs) == len(sources) and not hard:
                for source, (known, *paths) in zip(sources, former.inputs, strict=True):
                    source.inputs = tuple(paths) if known == params else None
                if all(source.inputs is not None for source in sources):
                    outside = outsiders.now(former.outside)
                    address = self._address(params, sources, outsiders.address(outside))
                    if self.state.artifacts.has(address):
                        self._verify(project, [s for s in sources if s.revision not in former.revisions])
                        return self._outcome(address, former.source_types, params, sources, outside, former.warnings)
            for source in sources:
                source.inputs = None
            self._verify(project, sources)
            rendered = self._render(app, config, target, sources, outsiders)
            outside = outsiders.used(rendered)
            address = self._address(params, sources, outsiders.address(outside))
        objects, warnings = finish(
            rendered,
            app,
            scope=target.scope,
            control_namespace=self.namespace,
            tracking_method=config.tracking,
            instance_label_key=config.instance_label,
            installation_id=config.installation_id,
            excluded=config.excluded,
        )
        budget.check(objects, self.memory_mib)
        types = tuple(r.source_type for r in rendered)
        self.state.artifacts.put(Artifact(address, types, objects, warnings))
        return self._outcome(address, types, params, sources, outside, warnings)

    def _outsiders(self, app: Application, *, fresh: bool) -> Outsiders:
        return Outsiders(
            self.mirrors,
            self.charts,
            self.files,
            lambda url: self.refs.get(self.mirrors, url, app.id),
            self.state.refs.note,
            fresh,
        )

    # --- addresses ---

    def _params(
        self, app: Application, project: AppProject, config: ControlConfig, target: Target, sources: list[Resolved]
    ) -> str:
        """A digest of all that decides a render, except the repositories' content."""
        spec = [{k: v for k, v in s.source.to_api().items() if k != "targetRevision"} for s in sources]
        text = canonical(spec)
        pinned: list[Any] = [s.revision for s in sources if s.source.chart]
        if MANIFEST_GENERATE_PATHS in app.annotations:
            pinned.append(app.annotations[MANIFEST_GENERATE_PATHS])
        elif b"ARGOCD_APP_REVISION" in text or any(s.source.plugin for s in sources):
            pinned += [s.revision for s in sources]
        if b"ARGOCD_APP_SOURCE_TARGET_REVISION" in text:
            pinned += [s.source.target_revision for s in sources]
        destination = app.spec.destination
        return digest(
            canonical(
                [
                    RENDERER_VERSION,
                    spec,
                    pinned,
                    app.instance(self.namespace),
                    app.spec.project,
                    sorted(key.key_id for key in project.spec.signature_keys),
                    [destination.server, destination.name, destination.namespace],
                    [str(config.tracking), config.instance_label, config.installation_id],
                    {k: v for k, v in config.settings.items() if k.startswith(_RENDERING)},
                    [target.kube_version(), target.api_versions()] if b'"helm"' in text or _maybe_helm(sources) else [],
                ]
            )
        )

    def _address(self, params: str, sources: list[Resolved], outside: list[Any]) -> str:
        """The Artifact's address: parameters, the tree ids of all inputs, and what came from outside."""
        parts: list[Any] = [params]
        for source in sources:
            if source.source.chart or source.source.repo_url.startswith("oci://"):
                parts.append(source.revision)
                continue
            parts.append(self._tree_ids(source))
        return digest(canonical([*parts, outside] if outside else parts))

    def _tree_ids(self, source: Resolved) -> list[tuple[str, str | None]]:
        """What the inputs of a source are at its commit; asked for once where a render read what the last one did."""
        assert source.inputs is not None
        asked = source.source.repo_url, source.revision, source.inputs
        if asked not in self._known_ids:
            ids = self.mirrors.tree_ids(*asked)
            self._known_ids[asked] = sorted(ids.items())
        return self._known_ids[asked]

    @staticmethod
    def _outcome(
        address: str,
        types: tuple[str, ...],
        params: str,
        sources: list[Resolved],
        outside: tuple[Outside, ...],
        warnings: tuple[tuple[str, str], ...],
    ) -> DesiredState:
        return DesiredState(
            artifact=address,
            revisions=tuple(s.revision for s in sources),
            source_types=types,
            tracked=(*(s.tracked for s in sources if s.tracked), *tracked(outside)),
            inputs=tuple((params, *(s.inputs or ())) for s in sources),
            outside=outside,
            warnings=warnings,
        )

    # --- rendering ---

    def _verify(self, project: AppProject, sources: list[Resolved]) -> None:
        """Refuse commits, or annotated tags, that none of the project's signatureKeys signed (specs section 7)."""
        keys = [key.key_id for key in project.spec.signature_keys]
        if not keys:
            return
        for source in sources:
            if not source.source.chart and not source.source.repo_url.startswith("oci://"):
                self.mirrors.verify(source.source.repo_url, source.tag or source.revision, keys)

    def _render(
        self, app: Application, config: ControlConfig, target: Target, sources: list[Resolved], outsiders: Outsiders
    ) -> list[Rendered]:
        rendered: list[Rendered] = []
        inputs: list[set[str]] = [set() for _ in sources]
        by_ref = {s.source.ref: i for i, s in enumerate(sources) if s.source.ref}
        with ExitStack() as stack:
            stack.enter_context(self.charts)
            for source in sources:
                if not source.source.chart and not source.source.repo_url.startswith("oci://"):
                    self.mirrors.ensure(source.source.repo_url, source.revision)
                    source.checkout = stack.enter_context(
                        self.mirrors.checkout(source.source.repo_url, source.revision)
                    )
            refs = {name: sources[i].checkout.root for name, i in by_ref.items() if sources[i].checkout}
            for index, source in enumerate(sources):
                if not source.source.renders:
                    continue
                result = self._render_one(app, config, target, sources, by_ref, refs, source, outsiders)
                rendered.append(result)
                inputs[index] |= result.inputs
                for name, read in result.ref_inputs.items():
                    inputs[by_ref[name]] |= read
        for source, paths in zip(sources, inputs, strict=True):
            source.inputs = tuple(sorted(paths | declared(app, source.source.path)))
        return rendered

    def _render_one(
        self, app: Application, config: ControlConfig, target: Target, sources: list[Resolved],
        by_ref: dict[str, int], refs: dict[str, Path], source: Resolved, outsiders: Outsiders,
    ) -> Rendered:  # fmt: skip
        spec, checkout, given = source.source, source.checkout, None
        if checkout:
            given = plain.given(spec, checkout)
            if given is None:
                checkout.need(spec.path)
            root, chart_dir = checkout.root, None
        else:
            passing = bool(spec.helm and spec.helm.pass_credentials)
            root = chart_dir = self.charts.fetch(spec.repo_url, spec.chart, source.revision, pass_credentials=passing)
        request = RenderRequest(
            root=root,
            path=spec.path or ".",
            source=spec,
            given=given,
            env=BuildEnv(
                app_name=app.instance(self.namespace),
                namespace=app.spec.destination.namespace,
                project=app.spec.project,
                revision=source.revision,
                repo_url=spec.repo_url,
                path=spec.path,
                target_revision=spec.target_revision,
            ),
            refs=refs,
            chart_dir=chart_dir,
            kube_version=target.kube_version(),
            api_versions=target.api_versions(),
            disabled=_disabled(config),
            limits=self.limits,
            plugins=self.plugins,
            kustomize_build_options=config.settings.get("kustomize.buildOptions", ""),
            value_file_schemes=_listed(config.settings.get("helm.valuesFileSchemes", "https,http")),
        )
        with trace.span("render", path=spec.path or ".", revision=source.revision):
            return self.renderer.render(
                request,
                checkout.need if checkout else (lambda _path: None),
                need_ref=lambda name, path: sources[by_ref[name]].checkout.need(path),
                remote=outsiders.base,
                charts=outsiders.chart,
                files=outsiders.file,
            )


def _maybe_helm(sources: list[Resolved]) -> bool:
    return any(s.source.chart for s in sources) or not all(s.source.directory or s.source.kustomize for s in sources)


def _disabled(config: ControlConfig) -> frozenset[str]:
    names = {"helm.enable": "Helm", "kustomize.enable": "Kustomize", "jsonnet.enable": "Jsonnet"}
    return frozenset(kind for key, kind in names.items() if config.settings.get(key) == "false")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def failure(error: GitOpsError, former: DesiredState | None, spec: str) -> DesiredState:
    """The outcome of a fetch that failed: what was desired before stays, with the error beside it."""
    base = former or DesiredState()
    return DesiredState(
        spec=spec,
        artifact=base.artifact,
        revisions=base.revisions,
        source_types=base.source_types,
        tracked=base.tracked,
        inputs=base.inputs,
        outside=base.outside,
        error=(error.condition, str(error)),
        warnings=base.warnings,
        failures=base.failures + 1,
    )
