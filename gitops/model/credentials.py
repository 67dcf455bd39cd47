"""Repositories and clusters, as read from Secrets labelled `argocd.argoproj.io/secret-type` (specs section 10).

Secret values are excluded from repr, so that no log line or traceback shows them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Repository(BaseModel):
    """A `repository` or `repo-creds` Secret; field names are the Secret's keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    url: str = ""
    name: str = ""
    project: str = ""
    type: str = "git"
    username: str = Field("", repr=False)
    password: str = Field("", repr=False)
    bearerToken: str = Field("", repr=False)
    sshPrivateKey: str = Field("", repr=False)
    insecure: bool = False
    insecureIgnoreHostKey: bool = False
    enableLfs: bool = False
    enableOCI: bool = False
    insecureOCIForceHttp: bool = False
    forceHttpBasicAuth: bool = False
    tlsClientCertData: str = Field("", repr=False)
    tlsClientCertKey: str = Field("", repr=False)
    githubAppID: str = ""
    githubAppInstallationID: str = ""
    githubAppPrivateKey: str = Field("", repr=False)
    githubAppEnterpriseBaseUrl: str = ""
    gcpServiceAccountKey: str = Field("", repr=False)
    useAzureWorkloadIdentity: bool = False
    azureServicePrincipalClientId: str = ""
    proxy: str = Field("", repr=False)
    noProxy: str = ""
    depth: int = 0


class RepositoryConfig(BaseModel):
    """Everything that the source room needs to reach repositories, gathered from the control namespace."""

    model_config = ConfigDict(frozen=True)

    repositories: tuple[Repository, ...] = ()
    #: `repo-creds`: url is a prefix, the longest match wins.
    templates: tuple[Repository, ...] = ()
    #: OpenSSH known_hosts lines (argocd-ssh-known-hosts-cm).
    known_hosts: str = ""
    #: host name -> PEM chain (argocd-tls-certs-cm).
    tls_certs: dict[str, str] = {}
    #: key id -> armored public key (argocd-gpg-keys-cm); an OpenSSH public key line under any name.
    gpg_keys: dict[str, str] = {}


class Cluster(BaseModel):
    """A `cluster` Secret. `config` is its parsed JSON (tlsClientConfig, bearerToken, execProviderConfig, ...)."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    server: str
    #: Namespaced mode: only these; empty means all.
    namespaces: tuple[str, ...] = ()
    cluster_resources: bool = False
    project: str = ""
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
