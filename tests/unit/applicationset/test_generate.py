"""ApplicationSets to Applications."""

from __future__ import annotations

import pytest
import yaml

from gitops.applicationset import ClusterInfo, Inputs, generate
from gitops.errors import InvalidSpecError, SourceError
from gitops.model.application import Application


class Repository:
    """A repository in memory."""

    def __init__(self, **files: str) -> None:
        self.files = files

    def paths(self, repo_url, revision):
        return list(self.files)

    def read(self, repo_url, revision, path):
        return self.files[path].encode()


REPOSITORY = Repository(
    **{
        "apps/web/kustomization.yaml": "",
        "apps/api_v2/deep/a.yaml": "",
        "apps/old/a.yaml": "",
        ".github/x/a.yaml": "",
        "config/dev/config.json": '{"cluster": {"name": "dev", "port": 1}}',
        "config/prod/config.json": '[{"cluster": {"name": "prod-1"}}, {"cluster": {"name": "prod-2"}}]',
    }
)
CLUSTERS = (
    ClusterInfo("Prod_EU", "https://eu", labels={"tier": "prod", "region": "eu"}),
    ClusterInfo("prod-us", "https://us", labels={"tier": "prod", "region": "us"}),
    ClusterInfo("dev", "https://dev", labels={"tier": "dev"}, annotations={"team": "a"}),
)
INPUTS = Inputs(CLUSTERS, REPOSITORY)
GIT = {"repoURL": "https://git.example.com/x", "revision": "HEAD"}


def appset(*generators, name="{{name}}", go=False, **rest):
    template = {
        "metadata": {"name": name},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git.example.com/x", "path": rest.pop("path", "."), "targetRevision": "HEAD"},
            "destination": {"server": rest.pop("server", "https://kubernetes.default.svc"), "namespace": "x"},
        },
    }
    spec = {"generators": list(generators), "template": template, "goTemplate": go, **rest}
    return {"metadata": {"name": "set", "namespace": "argocd", "uid": "u1"}, "spec": spec}


def made(*args, **kwargs):
    return generate(appset(*args, **kwargs), INPUTS)


def names(*args, **kwargs):
    return [app["metadata"]["name"] for app in made(*args, **kwargs)]


def test_a_list_gives_an_application_for_each_element():
    (app,) = made({"list": {"elements": [{"name": "a", "url": "https://a"}]}}, server="{{ url }}")
    assert app["spec"]["destination"]["server"] == "https://a"
    assert app["metadata"]["namespace"] == "argocd"
    assert app["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert app["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert Application.from_object(app).all_sources


def test_elements_as_yaml_and_nested_values():
    generator = {"list": {"elementsYaml": yaml.safe_dump([{"name": "a", "values": {"k": "v"}}])}}
    assert names(generator, name="{{name}}-{{values.k}}") == ["a-v"]
    assert names(generator, name="{{.name}}-{{.values.k}}", go=True) == ["a-v"]


def test_five_hundred_applications_are_one_manifest():
    assert len(names({"list": {"elements": [{"name": f"a{i}"} for i in range(500)]}})) == 500


def test_clusters_by_labels_and_the_own_one_without():
    prod = {"clusters": {"selector": {"matchLabels": {"tier": "prod"}}, "values": {"ns": "x-{{nameNormalized}}"}}}
    assert names(prod, name="{{values.ns}}") == ["x-prod-eu", "x-prod-us"]
    expression = {"key": "region", "operator": "NotIn", "values": ["eu"]}
    not_eu = {"clusters": {"selector": {"matchExpressions": [expression]}}}
    assert names(not_eu) == ["prod-us", "dev"]
    assert names({"clusters": {}}, name="{{nameNormalized}}") == ["prod-eu", "prod-us", "dev", "in-cluster"]
    go = {"clusters": {"selector": {"matchLabels": {"tier": "dev"}}}}
    assert names(go, name="{{.name}}-{{.metadata.annotations.team}}", go=True) == ["dev-a"]


def test_directories():
    generator = {"git": {**GIT, "directories": [{"path": "apps/*"}, {"path": "apps/old", "exclude": True}]}}
    found = made(generator, name="{{path.basenameNormalized}}", path="{{path}}")
    assert [(a["metadata"]["name"], a["spec"]["source"]["path"]) for a in found] == [
        ("api-v2", "apps/api_v2"),
        ("web", "apps/web"),
    ]
    assert names(generator, name="{{path[0]}}-{{path.basenameNormalized}}") == ["apps-api-v2", "apps-web"]
    go = {"git": {**generator["git"], "pathParamPrefix": "repo"}}
    assert names(go, name="{{ index .repo.path.segments 0 }}-{{ .repo.path.basenameNormalized }}", go=True) == [
        "apps-api-v2",
        "apps-web",
    ]


def test_files():
    generator = {"git": {**GIT, "files": [{"path": "config/**/config.json"}]}}
    assert names(generator, name="{{cluster.name}}-{{path.basename}}") == ["dev-dev", "prod-1-prod", "prod-2-prod"]
    assert names(generator, name="{{.cluster.name}}", go=True) == ["dev", "prod-1", "prod-2"]


def test_a_file_that_is_no_yaml_is_named():
    inputs = Inputs(repositories=Repository(**{"a/bad.yaml": "a: [\n"}))
    with pytest.raises(SourceError, match=r"a/bad\.yaml line 2 is neither YAML nor JSON"):
        generate(appset({"git": {**GIT, "files": [{"path": "a/*.yaml"}]}}), inputs)


def test_an_alias_bomb_is_refused():
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    inputs = Inputs(repositories=Repository(**{"a/bomb.yaml": bomb}))
    with pytest.raises(SourceError, match="make it smaller"):
        generate(appset({"git": {**GIT, "files": [{"path": "a/*.yaml"}]}}), inputs)


def test_a_matrix_is_every_pair_and_the_second_may_use_the_first():
    matrix = {
        "matrix": {
            "generators": [
                {"clusters": {"selector": {"matchLabels": {"tier": "prod"}}}},
                {"list": {"elements": [{"app": "a-{{nameNormalized}}"}, {"app": "b"}]}},
            ]
        }
    }
    assert names(matrix, name="{{nameNormalized}}.{{app}}") == [
        "prod-eu.a-prod-eu",
        "prod-eu.b",
        "prod-us.a-prod-us",
        "prod-us.b",
    ]


def test_merge_overrides_by_keys():
    merge = {
        "merge": {
            "mergeKeys": ["name"],
            "generators": [
                {"list": {"elements": [{"name": "a", "size": "s"}, {"name": "b", "size": "s"}]}},
                {"list": {"elements": [{"name": "b", "size": "l"}, {"name": "c", "size": "l"}]}},
            ],
        }
    }
    assert names(merge, name="{{name}}-{{size}}") == ["a-s", "b-l"]
    assert names(merge, name="{{.name}}-{{.size}}", go=True) == ["a-s", "b-l"]


def test_a_selector_on_a_generator_chooses_parameter_sets():
    generator = {"list": {"elements": [{"name": "a", "env": "x"}, {"name": "b", "env": "y"}]}}
    assert names({**generator, "selector": {"matchLabels": {"env": "y"}}}) == ["b"]


def test_a_generators_own_template_overrides():
    generator = {"list": {"elements": [{"name": "a"}], "template": {"metadata": {}, "spec": {"project": "other"}}}}
    (app,) = made(generator)
    assert app["spec"]["project"] == "other"
    assert app["spec"]["destination"]["namespace"] == "x"


def test_template_patch():
    patch = "spec:\n  syncPolicy:\n    automated: {prune: {{ .prune }}}\n  source: {targetRevision: null}\n"
    (app,) = made(
        {"list": {"elements": [{"name": "a", "prune": True}]}}, name="{{.name}}", go=True, templatePatch=patch
    )
    assert app["spec"]["syncPolicy"]["automated"]["prune"] is True
    assert app["spec"]["source"] == {"repoURL": "https://git.example.com/x", "path": "."}


def test_resources_may_outlive_the_applications():
    (app,) = made({"list": {"elements": [{"name": "a"}]}}, syncPolicy={"preserveResourcesOnDeletion": True})
    assert "finalizers" not in app["metadata"]


def test_an_unknown_parameter_stays_as_written():
    (app,) = made({"list": {"elements": [{"name": "a"}]}}, path="{{unknown}}/x")
    assert app["spec"]["source"]["path"] == "{{unknown}}/x"


@pytest.mark.parametrize(
    ("generators", "options", "sentence"),
    [
        ([{"list": {"elements": [{"name": "a"}, {"name": "a"}]}}], {}, "gives the Application a more than once"),
        ([{"list": {"elements": [{"name": "A b"}]}}], {}, "'A b', which is no name"),
        ([{"list": {"elements": ["a"]}}], {}, "not a map of parameters"),
        ([{"unheard": {}}], {}, "has to be one of list, clusters, git, matrix, merge"),
        ([{"git": {**GIT}}], {}, "needs directories or files"),
        ([{"matrix": {"generators": [{"list": {}}]}}], {}, "exactly 2 generators"),
        ([{"merge": {"generators": [{"list": {}}, {"list": {}}]}}], {}, "needs mergeKeys"),
        (
            [{"list": {"elements": [{}]}}],
            {"go": True, "name": "{{.x}}", "goTemplateOptions": ["missingkey=error"]},
            "no entry",
        ),
        ([{"list": {"elements": [{}]}}], {"go": True, "goTemplateOptions": ["fast"]}, "goTemplateOptions entry 'fast'"),
    ],
)
def test_mistakes_are_one_sentence(generators, options, sentence):
    with pytest.raises(InvalidSpecError, match="ApplicationSet argocd/set: ") as failed:
        made(*generators, **options)
    assert sentence in str(failed.value)


@pytest.mark.parametrize("apply_nested", [None, True, False])
@pytest.mark.parametrize("go", [False, True])
def test_selectors_of_nested_generators_filter_whatever_the_old_switch_says(apply_nested, go):
    """As in Argo CD since 3.0; the selector of a cluster generator's own is another one, of labels."""
    colours = {"list": {"elements": [{"name": "blue", "on": "yes"}, {"name": "red", "on": "no"}]}}
    colours["selector"] = {"matchLabels": {"on": "yes"}}
    sizes = {"list": {"elements": [{"size": "small"}, {"size": "large"}]}}
    sizes["selector"] = {"matchExpressions": [{"key": "size", "operator": "NotIn", "values": ["large"]}]}
    name = "{{.name}}-{{.size}}" if go else "{{name}}-{{size}}"
    held = appset({"matrix": {"generators": [colours, sizes]}}, name=name, go=go)
    if apply_nested is not None:
        held["spec"]["applyNestedSelectors"] = apply_nested
    assert [obj["metadata"]["name"] for obj in generate(held, INPUTS)] == ["blue-small"]
    more = {"list": {"elements": [{"name": "blue", "size": "huge"}]}, "selector": {"matchLabels": {"size": "tiny"}}}
    base = {"list": {"elements": [{"name": "blue", "size": "small"}]}}
    merged = appset({"merge": {"mergeKeys": ["name"], "generators": [base, more]}}, name=name, go=go)
    assert [obj["metadata"]["name"] for obj in generate(merged, INPUTS)] == ["blue-small"]
