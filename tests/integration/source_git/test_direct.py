"""A list of refs and a new commit over http(s): one request each, and Git itself wherever that does not work out."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from gitops.errors import RepositoryError, RevisionError
from gitops.model.credentials import Repository
from gitops.source.access import Bounds
from gitops.source.git import direct
from gitops.source.git.command import Runner
from testbed.gitrepo import git

from .conftest import PASSWORD, USER

REQUEST = {"git-upload-pack": 1}
BY_GIT = {"info/refs git-upload-pack": 1, "git-upload-pack": 1}


@pytest.fixture
def processes(monkeypatch):
    """The first word of each command of Git that is run, in order."""
    ran: list[str] = []
    begin = Runner._started

    def started(self, arguments, *rest):
        ran.append(arguments[0])
        return begin(self, arguments, *rest)

    monkeypatch.setattr(Runner, "_started", started)
    return ran


@pytest.fixture
def pushed(make, plain, git_server, processes):
    """Mirrors that have a commit, and the one pushed after it; requests and processes are counted from then on."""
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "1"}))
    sha = plain.publish({"a": "2"})
    git_server.reset_counts()
    processes.clear()
    return mirrors, sha


def mirror_of(tmp_path):
    (found,) = (tmp_path / "git" / "mirrors").glob("*/repo.git")
    return found


def without(monkeypatch):
    """Leave everything to Git."""
    monkeypatch.setattr(direct, "_applies", lambda session: False)


# --- what it costs ---


def test_a_list_of_refs_is_one_request_and_no_process(make, plain, git_server, processes):
    sha = plain.publish({"a": "1"})
    git_server.reset_counts()
    assert make().refs(plain.http_url).require("HEAD") == sha
    assert git_server.counts(plain.name) == REQUEST
    assert processes == []


def test_a_new_commit_is_one_request_and_one_process(pushed, plain, git_server, processes):
    mirrors, sha = pushed
    assert mirrors.ensure(plain.http_url, sha) == sha
    assert git_server.counts(plain.name) == REQUEST
    assert processes == ["index-pack"]


def test_a_branch_by_name_is_two_requests_and_one_process(pushed, plain, git_server, processes):
    mirrors, sha = pushed
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/main") == sha
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/main") == sha, "it is here already"
    assert git_server.counts(plain.name) == {"git-upload-pack": 3}
    assert processes == ["index-pack"]


def test_connections_are_kept(make, plain, web):
    """As many requests as wanted come by one connection, and each shows its own credentials."""
    server = web(lambda request: (200, b"0000"))
    url = f"{server.url}/r.git"
    mirrors = make(Repository(url=url, bearerToken="t0k3n"))
    for _ in range(3):
        assert mirrors.refs(url).names == {}
    assert [request.headers["authorization"] for request in server.seen] == ["Bearer t0k3n"] * 3
    assert len({request.port for request in server.seen}) == 1


def test_what_a_server_sets_for_one_is_not_sent_for_another(make, web):
    server = web(lambda request: (200, b"0000", {"Set-Cookie": "session=of-the-first; Path=/"}))
    url = f"{server.url}/r.git"
    for token in ("first", "first", "second"):
        make(Repository(url=url, bearerToken=token)).refs(url)
    assert [request.headers.get("cookie") for request in server.seen] == [None] * 3


def test_few_connections_are_kept(make, web):
    server = web(lambda request: (200, b"0000"))
    for n in range(direct._CLIENTS + 3):
        make().refs(f"{server.url}/r{n}.git")
    assert len(direct._clients) == direct._CLIENTS


# --- that it is the same ---


def test_refs_are_those_that_git_lists(make, plain, monkeypatch):
    plain.publish({"a": "1"}, "first")
    plain.tag("v1.2.0", message="annotated")
    plain.tag("light")
    git("tag", "-a", "-m", "of a tag", "nested", "v1.2.0", cwd=plain.work)
    git("push", "--quiet", "origin", "nested", cwd=plain.work)
    git("update-ref", "refs/pull/7/head", plain.head, cwd=plain.bare)
    git("update-ref", "refs/heads/ü-x", plain.head, cwd=plain.bare)
    ours = make().refs(plain.http_url)
    without(monkeypatch)
    assert make().refs(plain.http_url) == ours
    assert list(make().refs(plain.http_url).names) == list(ours.names)
    assert ours.names["refs/tags/nested"] == plain.head


@pytest.mark.parametrize("state", ["empty", "detached"])
def test_a_head_that_is_no_branch(make, plain, monkeypatch, state):
    if state == "empty":
        git("init", "--quiet", "--bare", str(plain.bare), cwd=plain.bare.parent)
    else:
        sha = plain.publish({"a": "1"})
        git("update-ref", "--no-deref", "HEAD", sha, cwd=plain.bare)
    ours = make().refs(plain.http_url)
    without(monkeypatch)
    assert make().refs(plain.http_url) == ours


def test_a_mirror_of_many_commits_is_whole(make, plain, tmp_path):
    """Merges, branches and a forced push: all that is here can be read, and Git goes on with it."""
    mirrors = make()
    shas = [plain.publish({"a/x": "1", "b/y": "1"}, "0")]
    mirrors.ensure(plain.http_url, shas[0])
    for n in range(1, 4):
        shas.append(plain.publish({"a/x": f"{n}\n" * n, f"c/{n}": str(n)}, str(n)))
    git("checkout", "--quiet", "-b", "side", shas[0], cwd=plain.work)
    plain.write({"side/z": "1"})
    side = plain.commit("side")
    git("checkout", "--quiet", "main", cwd=plain.work)
    git("merge", "--quiet", "--no-edit", "side", cwd=plain.work)
    git("push", "--quiet", "origin", "main", "side", cwd=plain.work)
    merged = git("rev-parse", "HEAD", cwd=plain.work).strip()
    git("reset", "--quiet", "--hard", shas[1], cwd=plain.work)
    plain.write({"forced": "1"})
    forced = plain.commit("forced")
    git("push", "--quiet", "--force", "origin", "main", cwd=plain.work)
    for sha in (shas[3], side, merged, forced, shas[2]):
        mirrors.ensure(plain.http_url, sha)
        theirs = git("rev-parse", f"{sha}^{{tree}}", cwd=plain.bare).strip()
        assert mirrors.tree_ids(plain.http_url, sha, [""])[""] == theirs
        assert dict(mirrors.files(plain.http_url, sha)) == _files(plain, sha)
    mirror = mirror_of(tmp_path)
    assert (mirror / "shallow").read_text().split() == sorted([shas[0], shas[3], side, merged, forced, shas[2]])
    git("fsck", "--full", "--strict", cwd=mirror)
    git("repack", "-a", "-d", "-q", cwd=mirror)
    git("fsck", "--full", "--strict", cwd=mirror)


def _files(repo, sha):
    lines = git("ls-tree", "-r", sha, cwd=repo.bare).splitlines()
    return {line.partition("\t")[2]: line.split()[2] for line in lines}


def test_as_much_history_as_the_secret_asks_for(make, plain, tmp_path, git_server):
    mirrors = make(Repository(url=plain.http_url, depth=2))
    shas = [plain.publish({"a": str(n)}, str(n)) for n in range(5)]
    mirrors.ensure(plain.http_url, shas[1])
    git_server.reset_counts()
    mirrors.ensure(plain.http_url, shas[4])
    assert git_server.counts(plain.name) == REQUEST
    mirror = mirror_of(tmp_path)
    assert git("rev-list", shas[4], cwd=mirror).split() == [shas[4], shas[3]]
    assert git("rev-list", shas[1], cwd=mirror).split() == [shas[1], shas[0]]
    git("fsck", "--full", "--strict", cwd=mirror)


def test_an_annotated_tag_and_a_first_commit_are_left_to_git(make, plain, git_server):
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "1"}))
    git("checkout", "--quiet", "--orphan", "other", cwd=plain.work)
    plain.write({"o": "1"})
    orphan = plain.commit("of its own")
    git("push", "--quiet", "origin", "other", cwd=plain.work)
    assert mirrors.ensure(plain.http_url, orphan) == orphan
    git("tag", "-a", "-m", "annotated", "v1", orphan, cwd=plain.work)
    git("push", "--quiet", "origin", "v1", cwd=plain.work)
    tag = git("rev-parse", "v1", cwd=plain.work).strip()
    assert mirrors.ensure(plain.http_url, tag) == orphan


def test_https_with_password(make, locked, processes):
    url = f"{locked.http_url}/team/app.git"
    ca = {"127.0.0.1": locked.ca_file.read_text()}
    locked.reset_counts()
    make(Repository(url=url, username=USER, password=PASSWORD), tls_certs=ca).refs(url)
    assert locked.counts("team/app") == REQUEST
    assert processes == []


# --- what it leaves to Git ---


def test_a_commit_that_nobody_has(make, plain):
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "1"}))
    with pytest.raises(RevisionError, match=r"has no commit a{40}"):
        mirrors.ensure(plain.http_url, "a" * 40)


def test_a_repository_of_the_other_object_format(make, plain):
    for folder in (plain.bare, plain.work):
        shutil.rmtree(folder)
    git("init", "--quiet", "--bare", "--object-format=sha256", str(plain.bare), cwd=plain.bare.parent)
    git("init", "--quiet", "--object-format=sha256", "-b", "main", str(plain.work), cwd=plain.bare.parent)
    git("remote", "add", "origin", str(plain.bare), cwd=plain.work)
    mirrors = make()
    for n in range(2):
        plain.write({"a": str(n)})
        sha = plain.commit(str(n))
        git("push", "--quiet", "origin", "main", cwd=plain.work)
        assert mirrors.ensure(plain.http_url, mirrors.refs(plain.http_url).require("main")) == sha
        assert len(sha) == 64


def test_an_operators_configuration_is_gits_to_read(make, plain, tmp_path, git_server):
    plain.publish({"a": "1"})
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "{plain.http_url}"]\n\tinsteadOf = https://example.com/r.git\n')
    bounds = Bounds(protocols=frozenset({"https", "http"}), git_config_file=config)
    git_server.reset_counts()
    assert make(bounds=bounds).refs("https://example.com/r.git").head == "refs/heads/main"
    assert git_server.counts(plain.name) == BY_GIT


def pkt(*lines):
    return b"".join(b"%04x%s" % (len(line) + 4, line) if len(line) > 4 else line for line in lines)


SHA = b"a" * 40
ODD = {
    "a refusal": (403, b""),
    "a fault": (500, b""),
    "a page": (200, b"<html>Welcome</html>"),
    "nothing": (200, b""),
    "the former protocol's error": (200, pkt(b"ERR upload-pack: protocol error", b"0000")),
    "an answer that ends early": (200, pkt(SHA + b" refs/heads/main\n")),
    "a line that ends early": (200, b"0fff" + SHA),
    "names of two lines": (200, pkt(SHA + b" refs/heads/x\nref: refs/heads/y\n", b"0000")),
    "no object ids": (200, pkt(b"x refs/heads/main\n", b"0000")),
    "another encoding": (200, b"0000", {"Content-Encoding": "gzip"}),
    "somewhere else": (302, b"", {"Location": "http://127.0.0.1:1/r.git/git-upload-pack"}),
}


@pytest.mark.parametrize("odd", ODD)
def test_answers_that_are_no_list_of_refs(make, web, odd):
    """Git is asked and says what is wrong; for a while it is asked at once."""
    server = web(lambda request: ODD[odd] if request.method == "POST" else (404, b""))
    url = f"{server.url}/r.git"
    for _ in range(2):
        with pytest.raises(RepositoryError, match=r"does not exist there|no list of refs"):
            make().refs(url)
    asked = [request.method for request in server.seen]
    assert asked == (["POST", "GET", "GET"] if odd != "no object ids" else ["POST", "POST"])


def test_git_is_asked_for_a_while_and_then_no_longer(make, web, monkeypatch):
    server = web(lambda request: (404, b""))

    def asked():
        server.seen.clear()
        with pytest.raises(RepositoryError):
            make().refs(f"{server.url}/r.git")
        return [request.method for request in server.seen]

    monkeypatch.setattr(direct, "AVOID_SECONDS", 0.0)
    assert asked() == ["POST", "GET"]
    monkeypatch.undo()
    assert asked() == ["POST", "GET"], "the while is over"
    assert asked() == ["GET"]


def test_a_larger_answer_than_a_process_should_hold(make, plain, monkeypatch, git_server):
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "1"}))
    sha = plain.publish({f"b/{n}": str(n) for n in range(200)})
    monkeypatch.setattr(direct, "_PACK_BYTES", 2000)
    git_server.reset_counts()
    assert mirrors.ensure(plain.http_url, sha) == sha
    assert git_server.counts(plain.name) == {**BY_GIT, "git-upload-pack": 2}
    git_server.reset_counts()
    assert mirrors.refs(plain.http_url).require("main") == sha
    assert git_server.counts(plain.name) == REQUEST, "the next answer may be a small one"


@pytest.mark.parametrize("spoilt", ["cut-off", "no-pack", "broken-off"])
def test_a_pack_that_is_none(make, plain, monkeypatch, spoilt):
    mirrors = make()
    mirrors.ensure(plain.http_url, plain.publish({"a": "1"}))
    sha = plain.publish({"a": "2"})
    post = direct._post

    def answer(session, name, body, bound):
        said = post(session, name, body, bound)
        if said is None or b"command=fetch" not in body:
            return said
        return {
            "cut-off": said[:-40],
            "no-pack": pkt(
                b"shallow-info\n", b"shallow %s\n" % sha.encode(), b"0001", b"packfile\n", b"\x01PACK", b"0000"
            ),
            "broken-off": pkt(b"packfile\n", b"\x03out of memory", b"0000"),
        }[spoilt]

    monkeypatch.setattr(direct, "_post", answer)
    assert mirrors.ensure(plain.http_url, sha) == sha
    assert mirrors.tree_ids(plain.http_url, sha, ["a"])["a"]


def test_a_server_that_answers_no_more(make, plain, git_server, monkeypatch):
    plain.publish({"a": "1"})
    monkeypatch.setattr(direct, "_SECONDS", 0.5)
    git_server.hang(plain.name)
    try:
        with pytest.raises(RepositoryError, match="did not answer within 2 s"):
            make(bounds=Bounds(protocols=frozenset({"http"}), command_seconds=2)).refs(plain.http_url)
    finally:
        git_server.heal(plain.name)


def test_a_tip_that_is_no_commit_is_not_believed(make, plain, tmp_path, monkeypatch):
    mirrors = make()
    sha = plain.publish({"a": "1"})
    mirrors.ensure(plain.http_url, sha)
    answer = pkt(b"../../../outside refs/heads/main\n", b"0000")
    monkeypatch.setattr(direct, "_post", lambda session, name, body, bound: answer)
    assert mirrors.fetch_tip(plain.http_url, "refs/heads/main") == sha


def test_git_itself_needs_one_request_more(plain, git_server):
    plain.publish({"a": "1"})
    git_server.reset_counts()
    subprocess.run(["git", "ls-remote", plain.http_url], check=True, capture_output=True)
    assert git_server.counts(plain.name) == BY_GIT
