"""A project's signatureKeys hold for every revision that an application comes to, also where its content is known."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import ComparisonError
from gitops.model.project import AppProject
from testbed.gitrepo import git

FILE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def signer(tmp_path: Path) -> tuple[list[str], str, str]:
    """Options with which git signs, the key's fingerprint, and its public half."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", key], check=True)
    said = subprocess.run(["ssh-keygen", "-l", "-f", f"{key}.pub"], check=True, capture_output=True, text=True)
    options = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}.pub"]
    return options, said.stdout.split()[1], Path(f"{key}.pub").read_text()


def demand(desk: Any, key_id: str, public: str) -> None:
    desk.keys["me"] = public
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "signatureKeys": [{"keyID": key_id}],
    }
    desk.project = AppProject.from_object({"metadata": {"name": "default", "namespace": "argocd"}, "spec": spec})


def test_keys_that_come_later_and_commits_without_new_content(desk: Any, repository: Any, signer: Any) -> None:
    options, key_id, public = signer
    repo = repository("app")
    repo.publish({"app/a.yaml": FILE})
    source = {"repoURL": repo.http_url, "path": "app"}
    first = desk.make("a", source)
    demand(desk, key_id, public)
    with pytest.raises(ComparisonError, match="is not signed"):
        desk.make("a", source, first)
    git(*options, "commit", "-q", "--allow-empty", "-S", "-m", "signed", cwd=repo.work)
    repo.push()
    desk.state.refs.expire(repo.http_url)
    signed = desk.make("a", source, first)
    # Nothing of the application changed, and still the commit is one that nobody signed.
    repo.publish({"README.md": "x\n"})
    desk.state.refs.expire(repo.http_url)
    with pytest.raises(ComparisonError, match="is not signed"):
        desk.make("a", source, signed)


def test_a_signed_tag_of_an_unsigned_commit(desk: Any, repository: Any, signer: Any) -> None:
    options, key_id, public = signer
    repo = repository("app")
    repo.publish({"app/a.yaml": FILE})
    git(*options, "tag", "-s", "-m", "release", "v1.0.0", cwd=repo.work)
    repo.push()
    demand(desk, key_id, public)
    for revision in ("v1.0.0", "^1"):
        desired = desk.make("a", {"repoURL": repo.http_url, "path": "app", "targetRevision": revision})
        assert desired.revisions == (repo.head,)
    with pytest.raises(ComparisonError, match=r"commit .* is not signed"):
        desk.make("a", {"repoURL": repo.http_url, "path": "app", "targetRevision": "main"})
