"""Who may be spoken to and with what: repository URLs, credentials, certificates, bounds (specs section 10)."""

from gitops.source.access.bounds import Bounds
from gitops.source.access.files import RemoteContent, RemoteFiles
from gitops.source.access.lookup import repository_for
from gitops.source.access.secrets import load_repository_config
from gitops.source.access.urls import normalise, scrub

__all__ = ["Bounds", "RemoteContent", "RemoteFiles", "load_repository_config", "normalise", "repository_for", "scrub"]
