"""The Application resource, `argoproj.io/v1alpha1`, as Argo CD writes it (specs section 1)."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator

from gitops.errors import InvalidSpecError
from gitops.model.base import ApiModel, parse
from gitops.model.objects import Object


class NameValue(ApiModel):
    name: str = ""
    value: str = ""


class EnvEntry(NameValue):
    pass


# --- sources ---------------------------------------------------------------------------------------------------------


class JsonnetVar(ApiModel):
    name: str
    value: str = ""
    code: bool = False


class Jsonnet(ApiModel):
    ext_vars: list[JsonnetVar] = []
    tlas: list[JsonnetVar] = []
    libs: list[str] = []


class DirectorySource(ApiModel):
    recurse: bool = False
    include: str = ""
    exclude: str = ""
    jsonnet: Jsonnet = Jsonnet()
    disable_extension_filter: bool = False


class KustomizeReplica(ApiModel):
    name: str
    count: int | str


class KustomizePatch(ApiModel):
    path: str = ""
    patch: str = ""
    target: dict[str, Any] | None = None
    options: dict[str, bool] | None = None


class KustomizeSource(ApiModel):
    name_prefix: str = ""
    name_suffix: str = ""
    images: list[str] = []
    replicas: list[KustomizeReplica] = []
    common_labels: dict[str, str] = {}
    force_common_labels: bool = False
    label_without_selector: bool = False
    label_include_templates: bool = False
    common_annotations: dict[str, str] = {}
    force_common_annotations: bool = False
    common_annotations_envsubst: bool = False
    namespace: str = ""
    patches: list[KustomizePatch] = []
    components: list[str] = []
    ignore_missing_components: bool = False
    version: str = ""
    kube_version: str = ""
    api_versions: list[str] = []


class HelmParameter(ApiModel):
    name: str
    value: str = ""
    force_string: bool = False


class HelmFileParameter(ApiModel):
    name: str
    path: str = ""


class HelmSource(ApiModel):
    release_name: str = ""
    value_files: list[str] = []
    ignore_missing_value_files: bool = False
    values: str = ""
    values_object: dict[str, Any] | None = None
    parameters: list[HelmParameter] = []
    file_parameters: list[HelmFileParameter] = []
    version: str = ""
    pass_credentials: bool = False
    skip_crds: bool = False
    skip_tests: bool = False
    skip_schema_validation: bool = False
    namespace: str = ""
    kube_version: str = ""
    api_versions: list[str] = []


class PluginParameter(ApiModel):
    name: str
    string: str | None = None
    array: list[str] | None = None
    map: dict[str, str] | None = None


class PluginSource(ApiModel):
    name: str = ""
    env: list[EnvEntry] = []
    parameters: list[PluginParameter] = []


class Source(ApiModel):
    """Where one part of the desired state comes from."""

    repo_url: str = Field("", alias="repoURL")
    path: str = ""
    target_revision: str = ""
    chart: str = ""
    ref: str = ""
    name: str = ""
    tag_prefix: str = ""
    helm: HelmSource | None = None
    kustomize: KustomizeSource | None = None
    directory: DirectorySource | None = None
    plugin: PluginSource | None = None

    @property
    def renders(self) -> bool:
        """Whether this source gives objects, or is there only to be referred to."""
        return bool(self.path or self.chart or not self.ref)


# --- spec ------------------------------------------------------------------------------------------------------------


class Destination(ApiModel):
    server: str = ""
    name: str = ""
    namespace: str = ""


class Automated(ApiModel):
    prune: bool = False
    self_heal: bool = False
    allow_empty: bool = False
    enabled: bool = True

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_default(cls, value: Any, info: Any) -> Any:
        return (info.field_name == "enabled") if value is None else value


class Backoff(ApiModel):
    duration: str | int = "5s"
    factor: int | None = 2
    max_duration: str | int = "3m"


class Retry(ApiModel):
    #: Attempts after the first; negative means without end.
    limit: int = 0
    backoff: Backoff = Backoff()
    refresh: bool = False


class NamespaceMetadata(ApiModel):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class SyncPolicy(ApiModel):
    automated: Automated | None = None
    sync_options: list[str] = []
    retry: Retry | None = None
    managed_namespace_metadata: NamespaceMetadata | None = None

    def option(self, name: str) -> str | None:
        """The value of sync option `name` (`CreateNamespace=true` -> "true"), the last one given; None if absent."""
        value = None
        for entry in self.sync_options:
            key, _, given = entry.strip().partition("=")
            if key.strip() == name:
                value = given.strip()
        return value


class IgnoreDifference(ApiModel):
    group: str = ""
    kind: str
    name: str = ""
    namespace: str = ""
    json_pointers: list[str] = []
    jq_path_expressions: list[str] = []
    managed_fields_managers: list[str] = []


class ApplicationSpec(ApiModel):
    project: str = "default"
    source: Source | None = None
    sources: list[Source] = []
    destination: Destination = Destination()
    sync_policy: SyncPolicy = SyncPolicy()
    ignore_differences: list[IgnoreDifference] = []
    info: list[NameValue] = []
    revision_history_limit: int = 10

    @field_validator("project", mode="after")
    @classmethod
    def _default_project(cls, value: str) -> str:
        return value or "default"

    @field_validator("sync_policy", "sources", "ignore_differences", "revision_history_limit", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].get_default(call_default_factory=True) if value is None else value


# --- operation -------------------------------------------------------------------------------------------------------


class SyncResource(ApiModel):
    group: str = ""
    kind: str
    name: str
    namespace: str = ""


class SyncStrategy(ApiModel):
    apply: dict[str, Any] | None = None
    hook: dict[str, Any] | None = None

    @property
    def force(self) -> bool:
        return bool((self.apply or {}).get("force") or (self.hook or {}).get("force"))

    @property
    def hooks(self) -> bool:
        """Whether hooks run: always, but for an explicit `apply` strategy."""
        return self.apply is None


class SyncOperation(ApiModel):
    revision: str = ""
    revisions: list[str] = []
    source: Source | None = None
    sources: list[Source] = []
    prune: bool = False
    dry_run: bool = False
    sync_strategy: SyncStrategy | None = None
    resources: list[SyncResource] = []
    manifests: list[str] = []
    sync_options: list[str] = []
    auto_heal_attempts_count: int = 0


class InitiatedBy(ApiModel):
    username: str = ""
    automated: bool = False


class Operation(ApiModel):
    """What is asked for: the CR's top-level `operation`."""

    sync: SyncOperation | None = None
    initiated_by: InitiatedBy = InitiatedBy()
    info: list[NameValue] = []
    retry: Retry = Retry()


# --- the resource ----------------------------------------------------------------------------------------------------


class Application(ApiModel):
    """An Application as read from the API server. `status` is kept as the plain dict that it is on the wire."""

    metadata: dict[str, Any]
    spec: ApplicationSpec
    operation: Operation | None = None
    status: dict[str, Any] = {}

    @classmethod
    def from_object(cls, obj: Object) -> Self:
        """Read a live CR.

        Raises InvalidSpecError naming the field that cannot be read.
        """
        meta = obj.get("metadata")
        parts = (meta.get("namespace"), meta.get("name")) if isinstance(meta, dict) else ()
        what = "Application " + "/".join(part for part in parts if isinstance(part, str) and part)
        return parse(cls, {**obj, "status": obj.get("status") or {}}, what.strip())

    @property
    def name(self) -> str:
        return str(self.metadata.get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace") or "")

    @property
    def uid(self) -> str:
        return str(self.metadata.get("uid") or "")

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.get("annotations") or {}

    @property
    def finalizers(self) -> list[str]:
        return self.metadata.get("finalizers") or []

    @property
    def deleting(self) -> bool:
        return bool(self.metadata.get("deletionTimestamp"))

    @property
    def id(self) -> str:
        """`namespace/name`: how the engine speaks of an application in queues, Redis and logs."""
        return f"{self.namespace}/{self.name}"

    def instance(self, control_namespace: str) -> str:
        """The instance name of tracking ids: the plain name in the control namespace, else `<namespace>_<name>`."""
        return self.name if self.namespace == control_namespace else f"{self.namespace}_{self.name}"

    @property
    def all_sources(self) -> list[Source]:
        """Every source; `sources` wins over `source`.

        Raises InvalidSpecError where there is none, or one names more than one tool.
        """
        found = self.spec.sources or ([self.spec.source] if self.spec.source else [])
        if not found:
            raise InvalidSpecError(f"Application {self.id} has no source: set spec.source or spec.sources")
        for index, source in enumerate(found):
            where = f"spec.sources[{index}]" if self.spec.sources else "spec.source"
            if not source.repo_url:
                raise InvalidSpecError(f"Application {self.id}: {where}.repoURL is empty; name a repository")
            if source.renders and not source.path and not source.chart:
                raise InvalidSpecError(
                    f'Application {self.id}: {where} has neither path nor chart; use "." for the root'
                )
            tools = [name for name in ("helm", "kustomize", "directory", "plugin") if getattr(source, name) is not None]
            if len(tools) > 1:
                raise InvalidSpecError(
                    f"Application {self.id}: {where} names multiple application sources defined "
                    f"({', '.join(tools)}); keep one"
                )
        return found

    @property
    def is_multi_source(self) -> bool:
        return bool(self.spec.sources)


def operation_state(app: Application) -> dict[str, Any]:
    """`status.operationState`, or an empty dict."""
    return app.status.get("operationState") or {}


def repository_urls(obj: Object) -> set[str]:
    """The repositories that an Application's CR names, as they are written there."""
    spec = obj.get("spec") or {}
    sources = [*(spec.get("sources") or ()), *([spec["source"]] if spec.get("source") else ())]
    return {str(source.get("repoURL") or "") for source in sources} - {""}
