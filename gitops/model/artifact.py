"""The Artifact: what rendering gives, addressed by what went into it."""

from __future__ import annotations

from dataclasses import dataclass

from gitops.model.objects import Manifest


@dataclass(frozen=True, slots=True)
class Artifact:
    """The rendered objects of one Application, tracking metadata and namespaces included.

    The address is the hash of everything that decided the content (repository, tree ids, parameters, renderer version,
    application identity), so equal addresses mean equal objects. The revision is not part of it: a commit that does not
    touch the path gives the same Artifact.
    """

    address: str
    #: Helm, Kustomize, Directory or Plugin, one for each source.
    source_types: tuple[str, ...]
    objects: tuple[Manifest, ...]
    #: (condition type, sentence): RepeatedResourceWarning, ExcludedResourceWarning.
    warnings: tuple[tuple[str, str], ...] = ()
