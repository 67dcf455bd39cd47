"""What a project permits, and that there is no way round it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.errors import InvalidSpecError, ProjectDenied
from gitops.model.application import Application
from gitops.model.credentials import Cluster
from gitops.model.project import AppProject, default_project
from gitops.project import (
    check_destination,
    check_object,
    check_source,
    impersonated_user,
    normalise_url,
    permits,
    required_signers,
    validate_application,
)

SERVER = "https://kubernetes.default.svc"


def project(**spec):
    return AppProject.from_object({"metadata": {"name": "team", "namespace": "argocd"}, "spec": spec})


def application(project="team", namespace="argocd", **spec):
    source = {"repoURL": "https://git.example.com/team/app", "path": "."}
    whole = {"project": project, "source": source, "destination": {"server": SERVER, "namespace": "prod"}, **spec}
    return Application.from_object({"metadata": {"name": "app", "namespace": namespace}, "spec": whole})


OPEN = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}


@pytest.mark.parametrize(
    "url",
    [
        "git@GitLab.com:Org/Repo.git",
        "ssh://git@gitlab.com/org/repo",
        "ssh://git@gitlab.com:22/org//repo.git/",
        " git@gitlab.com:/org/repo ",
    ],
)
def test_one_repository_has_one_spelling(url):
    assert normalise_url(url) == "git@gitlab.com/org/repo"


@pytest.mark.parametrize(
    ("pattern", "url", "permitted"),
    [
        ("*", "https://anything/x", True),
        ("https://git.example.com/team/*", "https://git.example.com/team/app.git", True),
        ("https://git.example.com/team/*", "https://git.example.com/team/deep/app", False),
        ("https://git.example.com/team/**", "https://git.example.com/team/deep/app", True),
        ("https://git.example.com/*/app", "https://GIT.example.com/team/App", True),
        ("git@git.example.com:team/*", "ssh://git@git.example.com/team/app", True),
        ("https://git.example.com/team/app", "http://git.example.com/team/app", False),
        ("https://git.example.com/team/*", "https://git.example.com@evil.com/team/app", False),
        ("https://git.example.com/team/*", "https://evil.com#@git.example.com/team/app", False),
        ("https://git.example.com/team/*", "https://evil.com%2f@git.example.com%2f@evil.com/team/app", False),
        ("https://git.example.com/team/*", "https://git.example.com/other/app?/team/x", False),
        ("https://git.example.com/team/**", "https://git.example.com/team/../other/app", False),
        ("https://git.example.com/team/**", "https://git.example.com/team/%2e%2e/other/app", False),
        ("https://git.example.com/team/**", "https://git.example.com/team/%252e%252e/other/app", False),
        ("https://git.example.com/team/**", "https://git.example.com\\@evil.com/team/app", False),
    ],
)
def test_repositories(pattern, url, permitted):
    if permitted:
        check_source(project(sourceRepos=[pattern]), url)
    else:
        with pytest.raises(ProjectDenied):
            check_source(project(sourceRepos=[pattern]), url)


SECRET = "https://git.example.com/team/secret"


@pytest.mark.parametrize(
    "url",
    [
        SECRET,
        SECRET + ".git",
        SECRET + "/",
        SECRET + "?x=1",
        SECRET.upper(),
        "https://git.example.com:443/team//secret",
        "https://user:pass@git.example.com/team/secret",
        "https://git.example.com/team/%73ecret",
        "git@git.example.com:team/secret.git",
        "ssh://git@git.example.com/team/secret",
        "http://git.example.com/team/secret",
    ],
)
def test_a_denied_repository_stays_denied_however_it_is_written(url):
    with pytest.raises(ProjectDenied, match="denied by sourceRepos entry") as denied:
        check_source(project(sourceRepos=["*", f"!{SECRET}"]), url)
    assert "pass" not in str(denied.value)


segment = st.text(alphabet="abcXYZ019-_", min_size=1, max_size=8)


@given(segment, segment, st.sampled_from(["", ".git", "/", ".git/", "//"]), st.booleans())
def test_spellings_do_not_change_what_is_permitted(team, name, ending, upper):
    url = f"https://git.example.com/{team}/{name}"
    other = (url.upper() if upper else url) + ending
    assert normalise_url(url) == normalise_url(other)
    check_source(project(sourceRepos=[url]), other)
    with pytest.raises(ProjectDenied):
        check_source(project(sourceRepos=["*", f"!{url}"]), other)


@given(st.text(max_size=60))
def test_normalising_ends(text):
    once = normalise_url(text)
    assert normalise_url(once).count("//") <= max(1, once.count("//"))


def test_a_negative_entry_alone_permits_the_rest():
    only = project(sourceRepos=["!https://a/b"])
    check_source(only, "https://a/c")
    with pytest.raises(ProjectDenied):
        check_source(only, "https://a/b")


@pytest.mark.parametrize(
    ("entries", "server", "name", "namespace", "permitted"),
    [
        ([{"server": SERVER, "namespace": "team-*"}], SERVER, "", "team-a", True),
        ([{"server": SERVER, "namespace": "team-*"}], SERVER, "", "kube-system", False),
        ([{"server": SERVER, "namespace": "*"}], SERVER + "/", "", "x", True),
        ([{"name": "in-cluster", "namespace": "*"}], SERVER, "", "x", True),
        (
            [{"server": "*", "namespace": "*"}, {"server": "!https://prod", "namespace": "*"}],
            "HTTPS://PROD:443/",
            "",
            "x",
            False,
        ),
        (
            [{"server": "*", "namespace": "*"}, {"server": "!https://prod", "namespace": "*"}],
            "https://dev",
            "",
            "x",
            True,
        ),
        (
            [{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!kube-system"}],
            SERVER,
            "",
            "kube-system",
            False,
        ),
        ([{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!kube-system"}], SERVER, "", "other", True),
        ([{"server": "*", "namespace": "*"}, {"name": "!prod*", "namespace": "*"}], "https://x", "prod-1", "a", False),
        ([], SERVER, "", "x", False),
    ],
)
def test_destinations(entries, server, name, namespace, permitted):
    if permitted:
        check_destination(project(destinations=entries), server, name, namespace)
    else:
        with pytest.raises(ProjectDenied, match="destination"):
            check_destination(project(destinations=entries), server, name, namespace)


def test_kinds():
    assert permits(project(), "apps", "Deployment", namespaced=True)
    assert not permits(project(namespaceResourceWhitelist=[]), "apps", "Deployment", namespaced=True)
    assert not permits(project(), "", "Namespace", namespaced=False)
    some = project(
        clusterResourceWhitelist=[{"group": "", "kind": "Namespace", "name": "team-*"}],
        namespaceResourceBlacklist=[{"group": "", "kind": "Resource*"}],
    )
    assert permits(some, "", "Namespace", namespaced=False, name="team-a")
    assert not permits(some, "", "Namespace", namespaced=False, name="other")
    for kind in ("ResourceQuota", "resourcequota"):
        with pytest.raises(ProjectDenied, match=r"namespaceResourceBlacklist entry '/Resource\*' of project team"):
            check_object(some, "", kind, namespaced=True, name="q")


def test_the_default_project_permits_everything():
    validate_application(application(project="default"), default_project("argocd"), control_namespace="argocd")


def test_every_source_is_checked():
    good = {"repoURL": "https://git.example.com/team/app", "path": "."}
    bad = {"repoURL": "https://git.example.com/other/values", "ref": "values"}
    only = project(**{**OPEN, "sourceRepos": ["https://git.example.com/team/*"]})
    with pytest.raises(ProjectDenied, match="other/values"):
        validate_application(application(source=None, sources=[good, bad]), only, control_namespace="argocd")
    asked = application()
    asked.operation = Application.from_object(
        {"metadata": {}, "spec": {}, "operation": {"sync": {"source": {**bad, "path": "."}}}}
    ).operation
    with pytest.raises(ProjectDenied, match="other/values"):
        validate_application(asked, only, control_namespace="argocd")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc", "a\\..\\x"])
def test_paths_stay_inside(path):
    source = {"repoURL": "https://git.example.com/team/app", "path": path}
    with pytest.raises(InvalidSpecError, match="leads out of the repository"):
        validate_application(application(source=source), project(**OPEN), control_namespace="argocd")


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        ({"server": SERVER, "name": "in-cluster"}, "has both server and name"),
        ({"namespace": "x"}, "names no cluster"),
        ({"name": "nowhere"}, "no cluster 'nowhere' is known"),
        ({"name": "twice"}, "2 clusters are named 'twice'"),
    ],
)
def test_destinations_that_name_no_cluster(destination, sentence):
    clusters = [Cluster(name="twice", server="https://a"), Cluster(name="twice", server="https://b")]
    with pytest.raises(InvalidSpecError, match=sentence):
        validate_application(
            application(destination=destination), project(**OPEN), clusters, control_namespace="argocd"
        )


def test_the_denied_server_cannot_be_reached_by_name():
    clusters = [Cluster(name="innocent", server="https://prod")]
    some = project(
        sourceRepos=["*"], destinations=[{"name": "*", "namespace": "*"}, {"server": "!https://prod", "namespace": "*"}]
    )
    with pytest.raises(ProjectDenied, match="denied by destinations entry"):
        validate_application(application(destination={"name": "innocent"}), some, clusters, control_namespace="argocd")


def test_clusters_of_projects():
    other = [Cluster(name="theirs", server="https://a", project="others")]
    theirs = application(destination={"name": "theirs"})
    with pytest.raises(ProjectDenied, match="belongs to project others"):
        validate_application(theirs, project(**OPEN), other, control_namespace="argocd")
    strict = project(**OPEN, permitOnlyProjectScopedClusters=True)
    with pytest.raises(ProjectDenied, match="permitOnlyProjectScopedClusters"):
        validate_application(application(), strict, control_namespace="argocd")


def test_applications_in_other_namespaces():
    with pytest.raises(ProjectDenied, match="sourceNamespaces"):
        validate_application(application(namespace="team-a"), project(**OPEN), control_namespace="argocd")
    some = project(**OPEN, sourceNamespaces=["team-*", "/^ops-\\d$/"])
    for namespace in ("team-a", "ops-1"):
        validate_application(application(namespace=namespace), some, control_namespace="argocd")


def test_who_writes():
    entries = [
        {"server": SERVER, "namespace": "team-*", "defaultServiceAccount": "deployer"},
        {"server": "*", "namespace": "*", "defaultServiceAccount": "ops:reader"},
    ]
    some = project(destinationServiceAccounts=entries)
    assert impersonated_user(some, SERVER, "team-a") == "system:serviceaccount:team-a:deployer"
    assert impersonated_user(some, "https://x", "y") == "system:serviceaccount:ops:reader"
    assert impersonated_user(project(), SERVER, "x") is None
    with pytest.raises(ProjectDenied):
        impersonated_user(project(destinationServiceAccounts=entries[:1]), SERVER, "other")


def test_signers():
    assert required_signers(project(signatureKeys=[{"keyID": "4aee18f83afdeb23"}])) == {"4AEE18F83AFDEB23"}
