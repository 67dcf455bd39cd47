"""Plain directories: which files count, what is passed over in silence, and what is an error (specs section 2)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hostile import Render, write

from gitops.errors import GitOpsError
from gitops.source import Rendered


def cm(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


@pytest.fixture(params=["on disk", "given"])
def kept(request: pytest.FixtureRequest) -> str:
    """Whether the files are there or come with the request, an Application is the same."""
    return str(request.param)


def names(rendered: Rendered) -> list[str]:
    return [obj["metadata"]["name"] for obj in rendered.objects]


TREE = {
    "b.yaml": cm("b"),
    "a.yml": cm("a"),
    "c.json": json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}),
    "d.jsonnet": '[{apiVersion: "v1", kind: "ConfigMap", metadata: {name: n}} for n in ["d1", "d2"]]',
    "lib.libsonnet": "{}",
    "README.md": cm("no"),
    "sub/e.yaml": cm("e"),
    "sub/deep/f.yaml": cm("f"),
}


def test_files_of_the_folder_alone_in_the_order_of_their_names(render: Render, tmp_path: Path) -> None:
    assert names(render(write(tmp_path, TREE))) == ["a", "b", "c", "d1", "d2"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"recurse": True}, ["a", "b", "c", "d1", "d2", "f", "e"]),
        ({"recurse": True, "include": "*.yaml"}, ["b", "f", "e"]),
        ({"recurse": True, "include": "sub/*.yaml"}, ["f", "e"]),
        ({"recurse": True, "include": "{sub/*,a}.{yaml,yml}"}, ["a", "f", "e"]),
        ({"recurse": True, "exclude": "sub/**"}, ["a", "b", "c", "d1", "d2"]),
        # What is excluded is not included again.
        ({"recurse": True, "include": "*.y*", "exclude": "{b,sub/e}.yaml"}, ["a", "f"]),
        ({"include": "*.md"}, []),
    ],
    ids=str,
)
def test_include_and_exclude(render: Render, tmp_path: Path, options: dict[str, object], expected: list[str]) -> None:
    assert names(render(write(tmp_path, TREE), directory=options)) == expected


def test_documents_and_lists(render: Render, tmp_path: Path) -> None:
    text = f"---\n---\n{cm('one')}---\n# nothing\n---\n{cm('two')}...\n"
    assert names(render(write(tmp_path, {"a.yaml": text}))) == ["one", "two"]


def test_a_file_that_asks_to_be_left_out(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "# +argocd:skip-file-rendering\n{{ no yaml }}", "b.yaml": cm("b")})
    assert names(render(tmp_path)) == ["b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(render: Render, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.yaml").write_bytes(cm("ü").encode(encoding))
    assert names(render(tmp_path)) == ["ü"]


@pytest.mark.parametrize("text", ["{{ template }}", "a: [", "kind: ConfigMap\n\t- x", "just words", "- 1\n- 2"])
def test_what_is_no_manifest_is_passed_over(render: Render, tmp_path: Path, text: str) -> None:
    assert names(render(write(tmp_path, {"values.yaml": text, "b.yaml": cm("b")}))) == ["b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cm("good") + "---\na: [\n", r"a.yaml, document 2, line \d"),
        (cm("bad") + "data: {x: [}\n", r"a.yaml, document 1, line 4"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "a.yaml, document 1: it has no kind"),
    ],
)
def test_what_is_meant_as_a_manifest_has_to_be_one(render: Render, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GitOpsError, match=message):
        render(write(tmp_path, {"a.yaml": text}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}}) * 2, "more than one JSON value"),
        ('{"apiVersion": "v1",\n "kind": }', "a.json, line 2"),
        ('{"apiVersion": "v1"}', "a.json: it has no kind"),
    ],
)
def test_a_json_file_is_exactly_one_object(render: Render, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GitOpsError, match=message):
        render(write(tmp_path, {"a.json": text}))


def test_an_image_manifest_is_no_object(render: Render, tmp_path: Path) -> None:
    image = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {}, "layers": []}
    write(tmp_path, {"manifest.json": json.dumps(image), "b.yaml": cm("b")})
    assert names(render(tmp_path)) == ["b"]


def test_manifests_that_are_larger_together_than_they_may(render: Render, tmp_path: Path) -> None:
    half = cm("x") + "data: {x: '" + "y" * (600 << 10) + "'}\n"
    write(tmp_path, {"a.yaml": half, "b.yaml": half})
    with pytest.raises(GitOpsError, match=r"larger than 1 MiB together \(reached at b.yaml\)"):
        render(tmp_path, limits={"directory_mib": 1})


def test_a_link_that_leads_nowhere_is_passed_over_with_a_warning(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"b.yaml": cm("b")})
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    rendered = render(tmp_path)
    assert names(rendered) == ["b"]
    assert rendered.warnings == ("a.yaml was skipped: its target does not exist",)


def test_jsonnet_with_variables_arguments_and_libraries(render: Render, tmp_path: Path) -> None:
    entry = """
local names = import 'names.libsonnet';
function(suffix, count) {
  apiVersion: 'v1', kind: 'ConfigMap',
  metadata: {name: names.base + std.extVar('env') + suffix + (count + std.extVar('more'))},
}
"""
    write(tmp_path, {"app/a.jsonnet": entry, "lib/names.libsonnet": "{base: 'web-'}"})
    jsonnet = {
        "libs": ["lib"],
        "extVars": [{"name": "env", "value": "$ARGOCD_APP_NAME-"}, {"name": "more", "value": "1", "code": True}],
        "tlas": [{"name": "suffix", "value": "x"}, {"name": "count", "value": "1 + 1", "code": True}],
    }
    assert names(render(tmp_path, "app", directory={"jsonnet": jsonnet})) == ["web-app-x3"]
