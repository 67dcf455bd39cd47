"""LFS content from a real batch API beside a real Git server."""

from __future__ import annotations

import hashlib
import json

import pytest

from gitops.errors import RepositoryError
from gitops.model.credentials import Repository
from gitops.source.access import Bounds

CONTENT = b"kind: Large\n" * 1000
OID = hashlib.sha256(CONTENT).hexdigest()
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize {len(CONTENT)}\n"


@pytest.fixture
def lfs(web, plain, tmp_path):
    """The repository under one URL whose Git half goes to the Git server, by a redirect, and whose LFS half is here."""
    stored = {OID: CONTENT}

    def respond(request):
        if request.path.endswith("/info/lfs/objects/batch"):
            if not request.basic("u", "p4ss"):
                return 401, b""
            assert request.headers["accept"] == "application/vnd.git-lfs+json"
            wanted = json.loads(request.body)["objects"]
            objects = [
                {**o, "actions": {"download": {"href": f"http://{request.headers['host']}/get/{o['oid']}"}}}
                if o["oid"] in stored
                else {**o, "error": {"code": 404}}
                for o in wanted
            ]
            return 200, json.dumps({"objects": objects}).encode()
        if request.path.startswith("/get/"):
            return 200, stored[request.path.removeprefix("/get/")]
        return 302, b"", {"Location": plain.http_url.removesuffix(f"/{plain.name}.git") + request.path}

    server = web(respond)
    return f"{server.url}/{plain.name}.git", stored


def entry(url: str, **more) -> Repository:
    return Repository(url=url, username="u", password="p4ss", **more)


def test_content_where_it_is_asked_for(make, plain, lfs):
    url, _ = lfs
    sha = plain.publish({"apps/a/big.yaml": POINTER, "apps/a/small.yaml": "kind: Small\n"})
    with make(entry(url, enableLfs=True)).checkout(url, sha) as tree:
        tree.need("apps/a")
        assert (tree.root / "apps/a/big.yaml").read_bytes() == CONTENT
        assert (tree.root / "apps/a/small.yaml").read_text() == "kind: Small\n"


def test_pointers_where_it_is_not(make, plain, lfs):
    url, _ = lfs
    sha = plain.publish({"big.yaml": POINTER})
    with make(entry(url)).checkout(url, sha) as tree:
        tree.need("")
        assert (tree.root / "big.yaml").read_text() == POINTER


def test_other_content_is_refused(make, plain, lfs):
    url, stored = lfs
    stored[OID] = b"x" * len(CONTENT)
    sha = plain.publish({"big.yaml": POINTER})
    mirrors = make(entry(url, enableLfs=True))
    with mirrors.checkout(url, sha) as tree, pytest.raises(RepositoryError, match="not what its pointer says"):
        tree.need("")


def test_missing_content_and_wrong_password(make, plain, lfs):
    url, stored = lfs
    stored.clear()
    sha = plain.publish({"big.yaml": POINTER})
    mirrors = make(entry(url, enableLfs=True))
    with mirrors.checkout(url, sha) as tree, pytest.raises(RepositoryError, match="has no object"):
        tree.need("")
    with mirrors.checkout(url, sha) as tree, pytest.raises(RepositoryError, match="has no object"):
        tree.need("")  # a failure is no file: the next attempt asks again
    wrong = Repository(url=url, username="u", password="wr0ng", enableLfs=True)
    with make(wrong).checkout(url, sha) as tree, pytest.raises(RepositoryError, match="refuses the credentials"):
        tree.need("")


def test_content_that_outgrows_the_bound(make, plain, lfs):
    url, _ = lfs
    sha = plain.publish({"big.yaml": POINTER.replace(f"size {len(CONTENT)}", "size 99999999999")})
    bounds = Bounds(protocols=frozenset({"http"}), checkout_mib=1)
    mirrors = make(entry(url, enableLfs=True), bounds=bounds)
    with mirrors.checkout(url, sha) as tree, pytest.raises(Exception, match="more than 1 MiB"):
        tree.need("")
