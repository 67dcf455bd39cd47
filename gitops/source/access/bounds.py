"""The bounds of everything that comes from a repository, and what the operator permits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops.settings import Settings

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of repository access; each has a setting of the same name with the prefix `repo_`."""

    #: Protocols that may be spoken, of https, ssh, http, file (git and chart repositories alike; oci is https).
    protocols: frozenset[str] = frozenset({"https", "ssh"})
    #: A git configuration file of the operator, e.g. with url.<base>.insteadOf. Nobody else's configuration is read.
    git_config_file: Path | None = None
    #: Seconds until a connection is given up, and until one command (a fetch, a download) is.
    connect_seconds: float = 15.0
    command_seconds: float = 90.0
    #: MiB that one fetch, or one chart download, may bring.
    fetch_mib: int = 2048
    #: MiB and files that one path of a checkout, or one unpacked chart, may hold.
    checkout_mib: int = 512
    checkout_files: int = 100_000
    #: MiB of disk for mirrors, checkouts and charts together with what they need; the least recently used goes first.
    mirrors_disk_mib: int = 10_240
    checkouts_disk_mib: int = 4096
    charts_disk_mib: int = 1024
    #: Whether submodules are followed, and how many levels.
    submodules: bool = True
    submodule_depth: int = 5
    #: Seconds that a chart repository's index, or a file at a URL, is believed.
    index_seconds: float = 180.0
    #: MiB of disk for files at URLs.
    files_disk_mib: int = 256
    #: Hosts with private addresses that files at URLs may come from; "*" is all of them.
    private_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """The operator's bounds."""
        return cls(
            protocols=_listed(settings.repo_protocols),
            git_config_file=settings.git_config_file,
            connect_seconds=settings.repo_connect_seconds,
            command_seconds=settings.repo_command_seconds,
            fetch_mib=settings.repo_fetch_mib,
            checkout_mib=settings.repo_checkout_mib,
            checkout_files=settings.repo_checkout_files,
            mirrors_disk_mib=settings.repo_mirrors_disk_mib,
            checkouts_disk_mib=settings.repo_checkouts_disk_mib,
            charts_disk_mib=settings.repo_charts_disk_mib,
            submodules=settings.repo_submodules,
            submodule_depth=settings.repo_submodule_depth,
            index_seconds=settings.repo_index_seconds,
            files_disk_mib=settings.repo_files_disk_mib,
            private_hosts=_listed(settings.repo_private_hosts.lower()),
        )


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())
