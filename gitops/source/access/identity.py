"""Identities that are no password: what they are exchanged for before a repository is spoken to (specs section 10)."""

from __future__ import annotations

from gitops.model.credentials import Repository, RepositoryConfig
from gitops.source.access import azure, google
from gitops.source.access.bounds import Bounds
from gitops.source.access.github_app import installation_token
from gitops.source.access.urls import Url


def with_token(repository: Repository, url: Url, config: RepositoryConfig, bounds: Bounds) -> Repository:
    """The entry with the password or bearer token that its identity is good for; as it is where it has none.

    Raises RepositoryError where the identity cannot be read or is refused.
    """
    if repository.githubAppPrivateKey:
        token = installation_token(repository, url, config, bounds)
        return repository.model_copy(update={"username": "x-access-token", "password": token})
    if repository.gcpServiceAccountKey:
        username, token = google.service_account_login(repository, url, config, bounds)
        return repository.model_copy(update={"username": username, "password": token})
    if repository.useAzureWorkloadIdentity or repository.azureServicePrincipalClientId:
        if url.scheme == "oci":
            token = azure.registry_token(repository, url, config, bounds)
            return repository.model_copy(update={"username": azure.REGISTRY_USER, "password": token})
        return repository.model_copy(update={"bearerToken": azure.git_token(repository, url, config, bounds)})
    return repository
