"""Access tokens of Microsoft Entra ID: service principals, and the workload identity of the worker itself.

Git servers of Azure DevOps take the token as it is; a container registry gives a refresh token of its own for it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import tokens
from gitops.source.access.bounds import Bounds
from gitops.source.access.http import client
from gitops.source.access.urls import Url, parse_url

#: Azure DevOps, and the management API that registries accept a token for.
_DEVOPS, _MANAGEMENT = "499b84ac-1321-427f-aa17-267ca6975798/.default", "https://management.core.windows.net/.default"
_AUTHORITY = "https://login.microsoftonline.com"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: The user name that a registry wants beside its refresh token, and the seconds that the token is believed.
REGISTRY_USER, _REGISTRY_SECONDS = "00000000-0000-0000-0000-000000000000", 3600.0


def git_token(repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds) -> str:
    """A bearer token for Azure DevOps. Raises RepositoryError where the identity is incomplete or refused."""
    return _access_token(repository, url, config, bounds, _DEVOPS)


def registry_token(repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds) -> str:
    """A registry's refresh token, the password of REGISTRY_USER. Raises RepositoryError as `git_token` does."""
    what = f"Azure identity for {url.text}"
    service = url.origin.partition("://")[2]
    scheme = "http" if repository.insecureOCIForceHttp else "https"
    address = parse_url(f"{scheme}://{service}/oauth2/exchange", frozenset({scheme}))

    def buy() -> tuple[str, float]:
        token = _access_token(repository, url, config, bounds, _MANAGEMENT)
        form = {"grant_type": "access_token", "service": service, "access_token": token}
        with client(repository, config, address, bounds) as http:
            found = tokens.oauth(http, address.text, form, what=what, check="the identity's rights on the registry")
        if not isinstance(found.get("refresh_token"), str):
            raise RepositoryError(f"{what}: {url.host} answered with something that is no token")
        return found["refresh_token"], time.time() + _REGISTRY_SECONDS

    return tokens.kept(("azure-registry", address.text, *_who(repository)), buy)


def _access_token(repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds, scope: str) -> str:
    what = f"Azure identity for {url.text}"
    tenant, client_id = _who(repository)
    authority = repository.azureActiveDirectoryEndpoint or os.environ.get("AZURE_AUTHORITY_HOST") or _AUTHORITY
    address = parse_url(f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token", bounds.protocols)

    def buy() -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "client_id": client_id, "scope": scope, **_proof(repository, what)}
        check = "azureServicePrincipalClientId, its ClientSecret and TenantId"
        if repository.useAzureWorkloadIdentity:
            check = "the federated credential of the worker's service account"
        with client(repository, config, address, bounds) as http:
            return tokens.bought(tokens.oauth(http, address.text, form, what=what, check=check), what)

    secret = hash(repository.azureServicePrincipalClientSecret)
    if not tenant or not client_id:
        raise RepositoryError(
            f"{what}: the tenant or client id is missing; {_HINT[repository.useAzureWorkloadIdentity]}"
        )
    return tokens.kept(("azure", address.text, client_id, scope, secret), buy)


_HINT = {
    True: "the worker needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE, "
    "which the label azure.workload.identity/use on its pods brings",
    False: "set azureServicePrincipalTenantId and azureServicePrincipalClientId in the Secret",
}


def _who(repository: Repository) -> tuple[str, str]:
    """(tenant, client id): the worker's own, or the Secret's."""
    if repository.useAzureWorkloadIdentity:
        return os.environ.get("AZURE_TENANT_ID", ""), os.environ.get("AZURE_CLIENT_ID", "")
    return repository.azureServicePrincipalTenantId, repository.azureServicePrincipalClientId


def _proof(repository: Repository, what: str) -> dict[str, str]:
    if not repository.useAzureWorkloadIdentity:
        return {"client_secret": repository.azureServicePrincipalClientSecret}
    try:
        assertion = Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).read_text().strip()
    except (KeyError, OSError):
        raise RepositoryError(f"{what}: the worker has no federated token; {_HINT[True]}") from None
    return {"client_assertion_type": _ASSERTION, "client_assertion": assertion}
