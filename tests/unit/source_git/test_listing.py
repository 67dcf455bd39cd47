"""A commit is read whole only where many ask for it, and no more of them are kept than a process can afford."""

from __future__ import annotations

import secrets

from gitops.source.git.listing import Item, Listing, listing

FILES = [
    Item("040000", "t1", -1, "apps"),
    Item("040000", "t2", -1, "apps/web"),
    Item("100644", "b1", 10, "apps/web/cm.yaml"),
    Item("120000", "b2", 4, "apps/web/link"),
    Item("100644", "b3", 10, "apps/web.yaml"),
    Item("160000", "c1", -1, "apps/module"),
]


def test_what_is_below_a_path_are_its_files_links_and_submodules() -> None:
    whole = Listing(FILES)
    assert [item.path for item in whole.below("apps/web")] == ["apps/web/cm.yaml", "apps/web/link"]
    assert [item.path for item in whole.below("apps/web.yaml")] == ["apps/web.yaml"]
    assert {item.path for item in whole.below("")} == {item.path for item in FILES if item.mode != "040000"}
    assert whole.below("app") == []
    assert whole.get("apps/web") == FILES[1]


def test_a_commit_is_read_once_and_only_when_it_is_asked_for_often() -> None:
    reads: list[str] = []
    sha = secrets.token_hex(20)
    answers = [listing("mirror", sha, lambda: reads.append(sha) or FILES) for _ in range(20)]
    assert reads == [sha]
    assert answers[:3] == [None, None, None], "one application asks by path"
    assert answers[-1] is not None


def test_a_commit_that_is_too_large_is_not_read_again() -> None:
    reads: list[str] = []
    sha = secrets.token_hex(20)
    assert [listing("mirror", sha, lambda: reads.append(sha)) for _ in range(20)] == [None] * 20
    assert reads == [sha]


def test_two_commits_are_kept() -> None:
    reads: list[str] = []
    shas = [secrets.token_hex(20) for _ in range(3)]
    for sha in (*shas, shas[-1], shas[0]):
        for _ in range(10):
            listing("mirror", sha, lambda sha=sha: reads.append(sha) or FILES)
    assert reads == [*shas, shas[0]]
