"""Commits signed with GPG and SSH, by real gpg and ssh-keygen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from gitops.errors import ComparisonError
from testbed.gitrepo import git


@pytest.fixture
def gpg(tmp_path_factory):
    """A keyring with two keys; gives (home, key id, armored key, another key's id)."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    env = {**os.environ, "GNUPGHOME": str(home)}

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["gpg", "--batch", *arguments], env=env, check=True, capture_output=True, text=True
        ).stdout

    ids = []
    for name in ("signer", "other"):
        run("--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.com>", "ed25519", "sign", "never")
    ids = re.findall(r"^pub:.*?:.*?:.*?:([0-9A-F]{16})", run("--list-keys", "--with-colons"), re.M)
    yield home, ids[0], run("--armor", "--export", ids[0]), ids[1], run("--armor", "--export", ids[1])
    subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)


def _signed(plain, *options: str, env=None) -> str:
    plain.write({"a": "1"})
    git("add", "-A", cwd=plain.work)
    git(*options, "commit", "-q", "-S", "-m", "signed", cwd=plain.work, env=env)
    plain.push()
    return plain.head


def test_gpg(make, plain, gpg):
    home, key_id, armored, other_id, other = gpg
    sha = _signed(plain, "-c", f"user.signingkey={key_id}", env={"GNUPGHOME": str(home)})
    mirrors = make(gpg_keys={key_id: armored, other_id: other})
    signature = mirrors.verify(plain.http_url, sha, [key_id])
    assert (signature.key_id, signature.signer, signature.kind) == (key_id, "signer <signer@example.com>", "gpg")
    with pytest.raises(ComparisonError, match="not among the project's signatureKeys"):
        mirrors.verify(plain.http_url, sha, [other_id])
    with pytest.raises(ComparisonError, match="not in argocd-gpg-keys-cm"):
        make(gpg_keys={other_id: other}).verify(plain.http_url, sha, [key_id])


def test_a_key_under_another_keys_name(make, plain, gpg):
    """The ConfigMap's name of a key is not believed: what counts is the key that signed."""
    home, key_id, _, other_id, other = gpg
    sha = _signed(plain, "-c", f"user.signingkey={other_id}", env={"GNUPGHOME": str(home)})
    with pytest.raises(ComparisonError, match="not among"):
        make(gpg_keys={key_id: other}).verify(plain.http_url, sha, [key_id])


def test_a_signed_annotated_tag_counts_in_place_of_its_commit(make, plain, gpg):
    """As in Argo CD: where an annotated tag is asked for, its own signature decides, and nothing but it."""
    home, key_id, armored, other_id, other = gpg
    commit = plain.publish({"a": "1"})
    env = {"GNUPGHOME": str(home)}
    git("-c", f"user.signingkey={key_id}", "tag", "-s", "-m", "release", "v1.0.0", cwd=plain.work, env=env)
    plain.tag("light")
    plain.tag("v0.9.0", message="-----BEGIN PGP SIGNATURE----- not one\n")
    plain.push()
    mirrors = make(gpg_keys={key_id: armored, other_id: other})
    refs = mirrors.refs(plain.http_url)
    tag = refs.annotated("v1.0.0")
    assert refs.require("v1.0.0") == commit != tag
    assert {refs.annotated("^1"), refs.annotated("refs/tags/v1.0.0")} == {tag}
    assert [refs.annotated(name) for name in ("light", "main", "HEAD", "", commit)] == [""] * 5
    for url in (plain.http_url, plain.file_url):
        assert mirrors.verify(url, tag, [key_id]).key_id == key_id
    with pytest.raises(ComparisonError, match=r"commit .* is not signed"):
        mirrors.verify(plain.http_url, commit, [key_id])
    with pytest.raises(ComparisonError, match=r"tag 'v1\.0\.0' .* not among the project's signatureKeys"):
        mirrors.verify(plain.http_url, tag, [other_id])
    with pytest.raises(ComparisonError, match=r"tag 'v0\.9\.0' .* (is not signed|is refused)"):
        mirrors.verify(plain.http_url, refs.annotated("v0.9.0"), [key_id])


def test_a_tag_signed_with_ssh(make, plain, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", tmp_path / "key"], check=True)
    said = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    key_id = said.stdout.split()[1]
    plain.publish({"a": "1"})
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={tmp_path / 'key.pub'}")
    git(*signing, "tag", "-s", "-m", "release", "v1", cwd=plain.work)
    plain.push()
    mirrors = make(gpg_keys={"me": (tmp_path / "key.pub").read_text()})
    assert mirrors.verify(plain.http_url, mirrors.refs(plain.http_url).annotated("v1"), [key_id]).kind == "ssh"


def test_unsigned(make, plain, gpg):
    _, key_id, armored, *_ = gpg
    sha = plain.publish({"a": "1"})
    with pytest.raises(ComparisonError, match="is not signed"):
        make(gpg_keys={key_id: armored}).verify(plain.http_url, sha, [key_id])


def test_ssh(make, plain, tmp_path):
    for name in ("signer", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", tmp_path / name], check=True)
    ids = {
        name: subprocess.run(
            ["ssh-keygen", "-l", "-f", tmp_path / f"{name}.pub"], check=True, capture_output=True, text=True
        ).stdout.split()[1]
        for name in ("signer", "other")
    }
    sha = _signed(plain, "-c", "gpg.format=ssh", "-c", f"user.signingkey={tmp_path / 'signer.pub'}")
    mirrors = make(gpg_keys={name: (tmp_path / f"{name}.pub").read_text() for name in ids})
    signature = mirrors.verify(plain.http_url, sha, [ids["signer"]])
    assert (signature.key_id, signature.signer, signature.kind) == (ids["signer"], "signer", "ssh")
    with pytest.raises(ComparisonError, match="not signed with an SSH key"):
        mirrors.verify(plain.http_url, sha, [ids["other"]])
