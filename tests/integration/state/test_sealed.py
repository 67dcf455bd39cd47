"""What rests in Redis can be neither read nor forged."""

from __future__ import annotations

import pytest

from gitops.errors import GitOpsError
from gitops.model.artifact import Artifact
from gitops.model.objects import Manifest
from gitops.settings import Settings
from gitops.state import Seal, State
from gitops.state.apps import DesiredState

SECRET = Manifest.of(
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n"},
        "data": {"password": "aHVudGVyMg=="},
    }
)


def everything(state: State) -> bytes:
    """All keys and values of the database as one text."""
    found = []
    for key in state.redis.keys("*"):
        found += [key, state.redis.dump(key)]
    return b" ".join(found)


def test_an_artifact_comes_back_as_it_was(state: State) -> None:
    artifact = Artifact("a1", ("Directory",), (SECRET,), (("RepeatedResourceWarning", "twice"),))
    state.artifacts.put(artifact)
    assert state.artifacts.get("a1") == artifact
    assert state.artifacts.get("a2") is None


def test_neither_manifests_nor_repository_urls_can_be_read(state: State) -> None:
    state.artifacts.put(Artifact("a1", ("Directory",), (SECRET,)))
    state.apps.put(
        "argocd/a", {"metadata": {"name": "a"}, "spec": {"source": {"repoURL": "https://user:hunter2@git/x"}}}
    )
    state.refs.store("https://user:hunter2@git/x", b"hunter2", lambda _: None)
    text = everything(state)
    for word in (b"hunter2", b"aHVudGVyMg", b"git/x"):
        assert word not in text


def test_what_is_changed_moved_or_made_by_somebody_else_is_as_if_absent(state: State, redis_url: str) -> None:
    state.artifacts.put(Artifact("a1", ("Directory",), (SECRET,)))
    reader = State(Settings(redis_url=redis_url, seal_key="of the test"))  # another process, which remembers nothing
    sealed = state.redis.get(state.keys.artifact("a1"))
    state.redis.set(state.keys.artifact("a2"), sealed)
    assert reader.artifacts.get("a2") is None, "moved"
    state.redis.set(state.keys.artifact("a1"), sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert reader.artifacts.get("a1") is None, "changed"
    other = State(Settings(redis_url=redis_url, seal_key="another"), lambda *_: b"")
    other.apps.set_desired("argocd/a", DesiredState(artifact="evil"))
    assert state.apps.desired("argocd/a") is None, "sealed with another key"


def test_without_a_key_nothing_starts() -> None:
    with pytest.raises(GitOpsError, match="GITOPS_SEAL_KEY"):
        Seal("")
