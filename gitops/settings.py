"""Every knob, documented once. Each is an environment variable with the prefix GITOPS_, e.g. GITOPS_REDIS_URL."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The engine's settings, read from the environment once per process."""

    model_config = SettingsConfigDict(env_prefix="GITOPS_", extra="ignore")

    # --- where things are ---
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="Redis or Valkey, 6.2 or newer.")
    redis_prefix: str = Field("gitops:", description="Prefix of every key, so that one Redis can be shared.")
    seal_key: SecretStr = Field(
        SecretStr(""),
        description="What rests in Redis is encrypted with a key derived from this; the same for beat and workers.",
    )
    kubeconfig: Path | None = Field(None, description="Kubeconfig of the control cluster; unset: in-cluster.")
    namespace: str = Field("argocd", description="The control namespace: Applications, projects and Secrets.")
    application_namespaces: str = Field(
        "*", description="Namespaces besides the control namespace whose Applications are served, by comma; *: all."
    )
    data_dir: Path = Field(Path("/tmp/gitops"), description="Mirrors and charts; an empty one is refilled.")  # noqa: S108

    # --- pace ---
    poll_interval: float = Field(180.0, gt=0, description="Seconds between two looks at an unchanged application.")
    poll_jitter: float = Field(0.1, ge=0, le=0.5, description="Each interval varies by this fraction.")
    orphans_interval: float = Field(
        600.0, gt=0, description="Seconds between two looks for orphaned resources, where a project asks for them."
    )
    full_compare_interval: float = Field(3600.0, gt=0, description="Seconds after which all objects are read anyway.")

    artifact_ttl: int = Field(
        86_400, gt=0, description="Seconds that rendered objects rest in Redis after their last use."
    )

    # --- beat ---
    lease_ttl: float = Field(10.0, gt=0, description="Seconds until a silent leader is replaced.")
    watch_shards: int = Field(
        0,
        ge=0,
        description="0: the leading beat follows the objects of all clusters. N: the kinds of each cluster make N "
        "parts, and the beats that run share the parts of all clusters between them (1: whole clusters).",
    )
    beat_tick: float = Field(0.25, gt=0, description="The longest that beat sleeps, seconds.")

    # --- bounds of a task ---
    soft_time_limit: int = Field(120, gt=0, description="Seconds after which a task is asked to stop.")
    hard_time_limit: int = Field(150, gt=0, description="Seconds after which its process is killed.")
    lock_ttl: int = Field(180, gt=0, description="Seconds that an application's lock outlives a silent worker.")
    visibility_timeout: int = Field(300, gt=0, description="Seconds after which an unacknowledged message comes again.")

    self_heal_backoff: float = Field(
        2.0, ge=0, description="Seconds between the first two heals of one revision; then times 3."
    )
    self_heal_backoff_cap: float = Field(300.0, gt=0, description="The longest pause between two heals, seconds.")
    wave_delay: float = Field(2.0, ge=0, description="Seconds between two sync waves, for controllers to take note.")

    sandbox: str = Field("auto", description="auto: confine renders as far as the kernel allows; required: or refuse.")

    kustomize_renderer: str = Field(
        "",
        description="Path of gitops-kustomize or kubectl; empty: gitops-kustomize where it is installed, else kubectl.",
    )
    plugins: dict[str, Any] = Field(
        {}, description='Plugins that sources may name, as JSON: {"name": {"generate": ["command", "argument"]}}.'
    )
    render_seconds: float = Field(60.0, gt=0, description="Seconds until a render is killed.")
    render_memory_mib: int = Field(512, gt=0, description="MiB of memory of a render's processes.")
    render_output_mib: int = Field(32, gt=0, description="MiB of objects that one source may give.")
    render_objects: int = Field(20_000, gt=0, description="Objects that one source may give.")

    # --- the pool ---
    concurrency: int = Field(4, gt=0, description="Processes of one worker.")
    child_memory_limit_kib: int = Field(262_144, gt=0, description="A process above this is replaced after its task.")
    child_max_tasks: int = Field(5_000, gt=0, description="Tasks after which a process is replaced.")
    soft_shutdown_timeout: float = Field(20.0, ge=0, description="Seconds that running tasks get when a worker ends.")
    task_events: bool = Field(True, description="Whether workers send the events that Flower shows.")

    # --- repositories ---
    repo_protocols: str = Field("https,ssh", description="Protocols that repositories may use: https, ssh, http, file.")
    git_config_file: Path | None = Field(
        None, description="A git configuration of yours, e.g. with url.<base>.insteadOf."
    )
    repo_connect_seconds: float = Field(15.0, gt=0, description="Seconds until a connection is given up.")
    repo_command_seconds: float = Field(90.0, gt=0, description="Seconds until a fetch or download is given up.")
    repo_fetch_mib: int = Field(2048, gt=0, description="MiB that one fetch or download may bring.")
    repo_checkout_mib: int = Field(512, gt=0, description="MiB that one path of a checkout, or one chart, may hold.")
    repo_checkout_files: int = Field(
        100_000, gt=0, description="Files that one path of a checkout, or one chart, may hold."
    )
    repo_mirrors_disk_mib: int = Field(
        10_240, gt=0, description="MiB of disk for mirrors; the least recently used goes."
    )
    repo_checkouts_disk_mib: int = Field(4096, gt=0, description="MiB of disk for checkouts.")
    repo_charts_disk_mib: int = Field(1024, gt=0, description="MiB of disk for charts.")
    repo_submodules: bool = Field(True, description="Whether submodules are followed.")
    repo_submodule_depth: int = Field(5, gt=0, description="Levels of submodules in submodules.")
    repo_index_seconds: float = Field(
        180.0, ge=0, description="Seconds that a chart repository's index, or a value file at a URL, is believed."
    )
    repo_files_disk_mib: int = Field(256, gt=0, description="MiB of disk for value files and resources at URLs.")
    repo_private_hosts: str = Field(
        "", description="Hosts with private addresses that such URLs may lead to, by comma; *: all of them."
    )

    # --- observing ---
    log_format: str = Field("console", description="console or json.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    metrics_port: int = Field(0, ge=0, description="Port of /metrics; 0: off.")
    metrics_host: str = Field("0.0.0.0", description="Address that /metrics listens on.")  # noqa: S104
    metrics_dir: Path | None = Field(
        None,
        description="Where a worker's processes keep their counters, emptied at its start; unset: metrics in data_dir.",
    )
    web_host: str = Field("127.0.0.1", description="Address of the web server: webhooks, read API, status page.")
    web_port: int = Field(8080, gt=0, description="Its port.")
    web_token: SecretStr = Field(SecretStr(""), description="Bearer token of the read API and the status page.")
    web_basic_auth: SecretStr = Field(SecretStr(""), description="user:password for the same; both empty: refused.")
    webhook_allow_unauthenticated: bool = Field(
        False, description="Accept webhooks of providers for which argocd-secret holds no secret."
    )
    webhook_max_bytes: int = Field(5_000_000, gt=0, description="Largest webhook body.")
    webhook_rate: float = Field(
        20.0, gt=0, description="Webhooks accepted a second; bursts may hold ten times as many."
    )
    trace_endpoint: str = Field("", description="OTLP/HTTP endpoint of traces, e.g. http://collector:4318; empty: off.")

    @property
    def served_namespaces(self) -> tuple[str, ...]:
        """The namespaces whose Applications are served, the control namespace first; empty: all of them."""
        named = [name.strip() for name in self.application_namespaces.split(",")]
        return () if "*" in named else tuple(dict.fromkeys([self.namespace, *filter(None, named)]))

    @property
    def child_hard_limit_mib(self) -> int:
        """MiB that a process may use during a task: half as much again as makes it be replaced after one."""
        return self.child_memory_limit_kib * 3 // 2048


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings."""
    return Settings()
