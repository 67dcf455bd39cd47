"""An AppProject's rules: a denial names the rule, and comes before anything is read or written.

What was read is told by the Git server's own count, what was written by the API server's audit log.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from appsets import IN_CLUSTER
from projects import ends, mark, project, written

from gitops.model.objects import Object, ObjectKey
from testbed.world import World, eventually

# --- repositories ---


def upper(url: str) -> str:
    scheme, rest = url.split("://")
    return f"{scheme.upper()}://{rest.upper()}"


def around(url: str) -> str:
    """The repository by way of a folder that the project permits."""
    base, name = url.rsplit("/", 1)
    return f"{base}/permitted/../{name}"


@pytest.mark.parametrize(
    ("way", "spelled", "sentence"),
    [
        ("plainly", str, "is denied by sourceRepos entry"),
        ("in-capitals", upper, "is denied by sourceRepos entry"),
        ("without-its-ending", lambda url: url.removesuffix(".git"), "is denied by sourceRepos entry"),
        ("with-a-user", lambda url: url.replace("://", "://somebody:hunter2@"), "is denied by sourceRepos entry"),
        ("encoded", lambda url: url.replace("/secret", "/%73ecret"), "is denied by sourceRepos entry"),
        ("with-double-slashes", lambda url: url.replace("/secret", "//secret"), "is denied by sourceRepos entry"),
        ("by-way-of-dots", around, "holds a . or .. segment"),
    ],
)
def test_a_denied_repository_is_not_read_however_it_is_written(
    world: World, small: dict[str, str], way: str, spelled: Callable[[str], str], sentence: str
) -> None:
    repo = world.git.create(f"secret-{way}/app")
    repo.publish(small, "first")
    project(world, f"repos-{way}", repositories=("*", f"!{world.git.http_url}/secret-{way}/*"))
    since = mark(world)
    world.application(f"reads-{way}", spelled(repo.http_url), project=f"repos-{way}")
    said = world.condition(f"reads-{way}", "InvalidSpecError")
    assert sentence in said
    assert "hunter2" not in said
    assert world.status(f"reads-{way}")[0] == "Unknown"
    assert world.git.counts(repo.name) == world.git.counts(repo.name.upper()) == {}
    assert written(world, since, f"reads-{way}") == []


def test_a_repository_that_no_entry_names(world: World, small: dict[str, str]) -> None:
    repo = world.repo(small)
    project(world, "narrow", repositories=("https://git.example.com/*/app",))
    world.application("narrowed", repo.http_url, project="narrow")
    assert "is not permitted in project narrow; add it" in world.condition("narrowed", "InvalidSpecError")
    assert world.git.counts(repo.name) == {}


def test_a_second_source_is_no_way_round(world: World, small: dict[str, str]) -> None:
    good, bad = world.git.create("open-two/app"), world.git.create("closed-two/values")
    for repo in (good, bad):
        repo.publish(small, "first")
    project(world, "two-sources", repositories=(f"{world.git.http_url}/open-two/*",))
    sources = [{"repoURL": good.http_url, "path": "app"}, {"repoURL": bad.http_url, "ref": "values"}]
    since = mark(world)
    world.application("second-source", good.http_url, sources=sources, project="two-sources")
    assert "closed-two/values" in world.condition("second-source", "InvalidSpecError")
    assert world.git.counts(good.name) == world.git.counts(bad.name) == {}
    assert written(world, since, "second-source") == []


def test_an_operations_own_source_is_no_way_round(world: World, small: dict[str, str]) -> None:
    good, bad = world.git.create("open-op/app"), world.git.create("closed-op/app")
    for repo in (good, bad):
        repo.publish(small, "first")
    project(world, "own-source", repositories=(f"{world.git.http_url}/open-op/*",))
    world.application("own-source", good.http_url, project="own-source", syncPolicy={})
    world.becomes("own-source", sync="OutOfSync", health="Missing")
    since = mark(world)
    operation = {"sync": {"source": {"repoURL": bad.http_url, "path": "app"}}}
    key = ObjectKey("argoproj.io", "Application", "argocd", "own-source")
    world.client.merge_patch(key, {"operation": operation})
    ended = ends(world, "own-source")
    assert ended["phase"] == "Error"
    assert "closed-op/app" in ended["message"]
    assert world.git.counts(bad.name) == {}
    assert written(world, since, "own-source") == []


def test_a_remote_base_is_no_way_round(world: World, small: dict[str, str]) -> None:
    bad = world.git.create("closed-base/app")
    bad.publish({**small, "app/kustomization.yaml": "resources: [settings.yaml]\n"}, "first")
    good = world.git.create("open-base/app")
    good.publish({"app/kustomization.yaml": f"resources: ['{bad.http_url}//app?ref=HEAD']\n"}, "first")
    project(world, "remote-base", repositories=(f"{world.git.http_url}/open-base/*",))
    world.application("remote-base", good.http_url, project="remote-base")
    said = world.condition("remote-base", "InvalidSpecError")
    assert "closed-base/app" in said
    assert "not permitted in project" in said
    assert world.git.counts(bad.name) == {}


# --- destinations ---


@pytest.mark.parametrize(
    ("name", "destinations", "sentence"),
    [
        ("unnamed", [{"server": IN_CLUSTER, "namespace": "team-*"}], "is not permitted in project to-unnamed"),
        (
            "refused",
            [{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!goes-*"}],
            "is denied by destinations entry {'server': '*', 'namespace': '!goes-*'} of project to-refused",
        ),
        (
            "by-name",
            [{"server": "*", "namespace": "*"}, {"name": "!in-cluster", "namespace": "*"}],
            "is denied by destinations entry {'name': '!in-cluster', 'namespace': '*'} of project to-by-name",
        ),
    ],
)
def test_a_destination_that_is_not_permitted_is_not_touched(
    world: World, small: dict[str, str], name: str, destinations: list[Object], sentence: str
) -> None:
    repo = world.repo(small)
    project(world, f"to-{name}", destinations=destinations)
    since = mark(world)
    world.application(f"goes-{name}", repo.http_url, project=f"to-{name}")
    assert sentence in world.condition(f"goes-{name}", "InvalidSpecError")
    assert world.git.counts(repo.name) == {}
    assert written(world, since, f"goes-{name}") == []


def test_a_manifests_own_namespace_is_no_way_round(world: World, small: dict[str, str]) -> None:
    elsewhere = small["app/settings.yaml"].replace("{name: settings}", "{name: elsewhere, namespace: kube-public}")
    repo = world.repo({**small, "app/elsewhere.yaml": elsewhere})
    project(world, "stays-inside", destinations=[{"server": IN_CLUSTER, "namespace": "inside"}])
    since = mark(world)
    world.application("inside", repo.http_url, project="stays-inside", syncPolicy={"automated": {}})
    said = world.condition("inside", "SyncError")
    assert "'kube-public' is not permitted in project stays-inside" in said
    assert written(world, since, "inside", "kube-public") == []


# --- kinds ---

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: far-reaching}
rules: []
"""


@pytest.mark.parametrize(
    ("name", "rules", "sentence"),
    [
        (
            "cluster-allowed",
            {"clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}]},
            "rbac.authorization.k8s.io/ClusterRole 'far-reaching' is not in the clusterResourceWhitelist of project",
        ),
        (
            "cluster-denied",
            {"clusterResourceBlacklist": [{"group": "rbac*", "kind": "cluster*"}]},
            "is denied by clusterResourceBlacklist entry 'rbac*/cluster*' of project",
        ),
        (
            "own-allowed",
            {"namespaceResourceWhitelist": [{"group": "apps", "kind": "*"}]},
            "ConfigMap 'settings' is not in the namespaceResourceWhitelist of project",
        ),
        (
            "own-denied",
            {"namespaceResourceBlacklist": [{"group": "", "kind": "configmap"}]},
            "ConfigMap 'settings' is denied by namespaceResourceBlacklist entry '/configmap' of project",
        ),
    ],
)
def test_of_an_application_with_an_object_that_is_not_permitted_nothing_is_written(
    world: World, small: dict[str, str], name: str, rules: Object, sentence: str
) -> None:
    project(world, f"kinds-{name}", **rules)
    since = mark(world)
    world.application(f"kinds-{name}", world.repo({**small, "app/role.yaml": ROLE}).http_url, project=f"kinds-{name}")
    assert sentence in world.condition(f"kinds-{name}", "SyncError")
    assert written(world, since, f"kinds-{name}", "far-reaching") == []


def test_what_is_live_and_not_permitted_any_more_is_not_pruned(world: World, small: dict[str, str]) -> None:
    project(world, "tightened")
    repo = world.repo(small)
    world.application("tightened", repo.http_url, project="tightened")
    world.becomes("tightened")
    project(world, "tightened", namespaceResourceBlacklist=[{"group": "", "kind": "ConfigMap"}])

    def row() -> str:
        rows = world.app("tightened")["status"]["resources"]
        return str(next((r["status"] for r in rows if r["kind"] == "ConfigMap"), "gone"))

    eventually(lambda: row() == "Unknown", "the row of what the project does not permit", context=world.logs)
    repo.delete("app/settings.yaml")
    repo.commit("without it")
    repo.push()
    world.engine.gitops("app", "refresh", "tightened")
    eventually(lambda: row() == "gone", "the row's end", context=world.logs)
    world.becomes("tightened")
    assert world.live("ConfigMap", "tightened", "settings")
