"""Repositories and clusters, as read from Secrets that carry the label SECRET_TYPE (specs section 10).

Secret values are excluded from repr, so that no log line or traceback shows them.
"""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gitops.model.objects import Object

#: The label that tells what a Secret of the control namespace is: `repository`, `repo-creds` or `cluster`.
SECRET_TYPE = "argocd.argoproj.io/secret-type"  # noqa: S105 - a label's name


def secret_data(secret: Object) -> dict[str, str]:
    """A Secret's values as text; what is no base64 of UTF-8 is left out."""
    data: dict[str, str] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            data[key] = base64.b64decode(value or "").decode()
        except (ValueError, TypeError):
            continue
    return data | (secret.get("stringData") or {})


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
    azureServicePrincipalClientSecret: str = Field("", repr=False)
    azureServicePrincipalTenantId: str = ""
    azureActiveDirectoryEndpoint: str = ""
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
