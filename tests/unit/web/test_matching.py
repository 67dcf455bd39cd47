"""Which applications a push touches."""

from __future__ import annotations

import pytest

from gitops.web.matching import WatchedApp, WatchedSource, files_touched, revision_touched, touched
from gitops.web.providers import Push


def pushed(revision="main", default=True, files=None, url="https://github.com/acme/shop"):
    return Push((url,), revision, default, "a" * 40, None if files is None else frozenset(files))


def matches(repo: str, url: str) -> bool:
    return bool(touched(pushed(url=url), [WatchedApp("argocd/app", (WatchedSource(repo, "", "app"),))]))


@pytest.mark.parametrize(
    "repo",
    [
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git",
        "https://github.com/Acme/Shop/",
        "https://user@github.com/acme/shop",
        "https://user:password@github.com:443/acme/shop.git",
        "git@github.com:acme/shop.git",
        "ssh://git@github.com/acme/shop",
        "ssh://git@ssh.github.com:443/acme/shop.git",
        "ssh://git@altssh.github.com:443/acme/shop.git",
    ],
)
def test_every_spelling_of_a_repository_is_the_same_repository(repo):
    assert matches(repo, "https://github.com/acme/shop")
    assert matches(repo, "git@github.com:acme/shop.git")


@pytest.mark.parametrize(
    "repo",
    [
        "https://github.com/acme/shop2",
        "https://github.com/other/acme/shop",
        "https://github.com.evil.example/acme/shop",
        "https://evilgithub.com/acme/shop",
        "https://evil.example/github.com/acme/shop",
        "https://githubXcom/acme/shop",
    ],
)
def test_another_repository_is_another(repo):
    assert not matches(repo, "https://github.com/acme/shop")


@pytest.mark.parametrize(
    ("target", "push", "follows"),
    [
        ("", pushed("main"), True),
        ("HEAD", pushed("main"), True),
        ("HEAD", pushed("feature", default=False), False),
        ("feature", pushed("feature", default=False), True),
        ("refs/heads/feature/x", pushed("feature/x", default=False), True),
        ("main", pushed("maintenance", default=False), False),
        ("v1.0", pushed("v1.0", default=False), True),
        ("1.x", pushed("v1.4.2", default=False), True),
        (">=1.0 <2", pushed("1.4.2", default=False), True),
        ("^1.2", pushed("feature", default=False), False),
        ("1.2.0", pushed("1.2.1", default=False), False),
    ],
)
def test_a_source_follows_the_ref_that_it_names(target, push, follows):
    assert revision_touched(target, push) is follows


@pytest.mark.parametrize(
    ("paths", "changed", "counts"),
    [
        (".", ["apps/shop/a.yaml"], True),
        (".", ["apps/other/a.yaml"], False),
        (".", ["apps/shop2/a.yaml"], False),
        (".;../base", ["apps/base/k.yaml"], True),
        ("/shared", ["shared/x/y.yaml"], True),
        ("/shared", ["apps/shared/x.yaml"], False),
        ("/", ["anything"], True),
        ("/**/values.yaml", ["apps/x/values.yaml"], True),
        ("/apps/*/values.yaml", ["apps/x/other.yaml"], False),
        (" ; ", ["apps/shop/a.yaml"], False),
    ],
)
def test_manifest_generate_paths(paths, changed, counts):
    source = WatchedSource("r", "", "apps/shop", generate_paths=paths)
    assert files_touched(frozenset(changed), source) is counts


def test_without_the_annotation_what_the_last_render_read_decides():
    source = WatchedSource("r", "", "apps/shop", inputs=frozenset({"apps/shop/k.yaml", "base/d.yaml"}))
    assert files_touched(frozenset({"base/d.yaml"}), source)
    assert files_touched(frozenset({"apps/shop/new.yaml"}), source), "a new file beside those read"
    assert not files_touched(frozenset({"base/other.yaml", "README.md"}), source)


def test_where_nothing_is_known_everything_counts():
    assert files_touched(frozenset({"README.md"}), WatchedSource("r", "", "apps/shop"))
    assert files_touched(None, WatchedSource("r", "", "apps/shop", generate_paths="."))


def test_one_touched_source_of_several_is_enough():
    app = WatchedApp(
        "argocd/app", (WatchedSource("https://x/y", "", "a"), WatchedSource("https://github.com/acme/shop", "", "b"))
    )
    assert touched(pushed(), [app]) == ["argocd/app"]
