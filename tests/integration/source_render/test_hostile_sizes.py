"""What has no end, or is too much, is stopped at its bound, and other renders go on meanwhile."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from gitops.errors import RenderError

sys.path.insert(0, str(Path(__file__).parent))
from hostile import CHART, CONFIG_MAP, Render, fails, write

pytestmark = pytest.mark.usefixtures("unharmed")


def test_anchors_that_expand_a_billionfold(render: Render, tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{c}: &{c} [{','.join(['*' + chr(ord(c) - 1)] * 9)}]\n" for c in "bcdefghij"
    )
    write(tmp_path, {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + bomb})
    fails(render, tmp_path, match=r"a\.yaml, document 1, line \d+: document contains excessive aliasing")
    write(tmp_path / "k", {"kustomization.yaml": bomb})
    fails(render, tmp_path, "k", match="excessive aliasing")
    write(tmp_path / "c", {"Chart.yaml": CHART, "v.yaml": bomb})
    fails(render, tmp_path, "c", helm={"valueFiles": ["v.yaml"]}, match="excessive aliasing")
    write(tmp_path / "o", {".argocd-source.yaml": bomb})
    fails(render, tmp_path, "o", match="excessive aliasing")


def test_nesting(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": CONFIG_MAP + "data: " + "[" * 100_000})
    fails(render, tmp_path, match="nested|nesting")
    write(tmp_path / "j", {"a.json": '{"a":' * 100_000})
    fails(render, tmp_path, "j", match="nested")
    write(tmp_path / "n", {"a.jsonnet": "local f(n) = if n == 0 then {} else {a: f(n - 1)}; f(400)"})
    fails(render, tmp_path, "n", match=r"nested|[Ss]tack")


def test_a_file_of_a_gibibyte(render: Render, tmp_path: Path) -> None:
    for name, folder in (("a.yaml", "plain"), ("big.txt", "chart"), ("big.txt", "kustomize"), ("a.jsonnet", "jsonnet")):
        (tmp_path / folder).mkdir()
        with (tmp_path / folder / name).open("wb") as file:
            file.truncate(1 << 30)
    fails(render, tmp_path, "plain", match="larger than 10 MiB")
    write(tmp_path / "chart", {"Chart.yaml": CHART})
    fails(render, tmp_path, "chart", match="larger than 5 MiB")
    write(tmp_path / "kustomize", {"kustomization.yaml": "configMapGenerator: [{name: a, files: [big.txt]}]"})
    fails(render, tmp_path, "kustomize", match="larger than 64 MiB")
    fails(render, tmp_path, "jsonnet", match="larger than 16 MiB")


def test_a_chart_with_an_endless_loop(render: Render, tmp_path: Path) -> None:
    loop = "{{ range until 100000 }}" * 3 + "{{ end }}" * 3
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": loop})
    fails(render, tmp_path, limits={"wall_seconds": 3}, match="helm took longer than 1 seconds")


def test_a_chart_that_calls_itself_for_ever(render: Render, tmp_path: Path) -> None:
    recursion = '{{- define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}'
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": recursion})
    fails(render, tmp_path, match="helm|memory|longer")


def test_a_chart_that_eats_memory(render: Render, tmp_path: Path) -> None:
    eat = '{{ $s := "xxxxxxxxxxxxxxxx" }}{{ range until 40 }}{{ $s = print $s $s }}{{ end }}{{ $s }}'
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": eat})
    fails(render, tmp_path, match="helm")


def test_a_chart_of_a_hundred_thousand_objects(render: Render, tmp_path: Path) -> None:
    many = "{{ range until 100000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a{{ . }}}\n{{ end }}"
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": many})
    # Time enough to come to the bound that is meant, on a slow machine too.
    fails(render, tmp_path, limits={"wall_seconds": 60, "cpu_seconds": 60}, match="more than 1000 objects")


def test_output_that_is_too_large(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "{apiVersion: 'v1', kind: 'ConfigMap', data: {a: std.repeat('x', 10000000)}}"})
    fails(render, tmp_path, match="larger than 8 MiB|memory|needs more than")


def test_jsonnet_without_end(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "local f(x) = f(x + 1) tailstrict; f(0)"})
    fails(render, tmp_path, match="CPU|longer|[Ss]tack")


def test_jsonnet_that_eats_memory(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "std.foldl(function(a, i) a + a, std.range(1, 60), 'xxxxxxxx')"})
    fails(render, tmp_path, match="memory|CPU|longer|needs more than")


def test_kustomizations_without_end(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"})
    fails(render, tmp_path, "a", match="cycle")


def test_folders_that_link_to_themselves(render: Render, tmp_path: Path) -> None:
    write(tmp_path, {"Chart.yaml": CHART, "templates/a.yaml": CONFIG_MAP})
    (tmp_path / "templates" / "again").symlink_to("..")
    fails(render, tmp_path, match="nested too deeply|more than|larger")
    (tmp_path / "x.yaml").symlink_to("x.yaml")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "x.yaml").symlink_to("x.yaml")
    rendered = render(tmp_path, "plain")
    assert rendered.objects == []


def test_honest_charts_behind_an_endless_one(render: Render, tmp_path: Path) -> None:
    """Charts share one helm process; the one that does not end is given up before the others' time is over."""
    loop = "{{ range until 100000 }}" * 3 + "{{ end }}" * 3
    write(tmp_path / "bad", {"Chart.yaml": CHART, "templates/a.yaml": loop})
    write(tmp_path / "good", {"Chart.yaml": CHART, "templates/a.yaml": CONFIG_MAP})
    caught: list[str] = []

    def attack() -> None:
        try:
            render(tmp_path, "bad")
        except RenderError as error:
            caught.append(str(error))

    attacker = threading.Thread(target=attack)
    attacker.start()
    while attacker.is_alive():
        assert len(render(tmp_path, "good").objects) == 1
    assert caught == ["helm took longer than 2 seconds"]


def test_attacks_beside_honest_renders(render: Render, tmp_path: Path) -> None:
    """While one application eats its time, others in the same worker go on."""
    write(tmp_path / "bad", {"a.jsonnet": "local f(x) = f(x + 1) tailstrict; f(0)"})
    write(tmp_path / "good", {"a.yaml": CONFIG_MAP})
    caught: list[Exception] = []

    def attack() -> None:
        try:
            render(tmp_path, "bad")
        except RenderError as error:
            caught.append(error)

    attacker = threading.Thread(target=attack)
    attacker.start()
    done = 0
    while attacker.is_alive():
        assert len(render(tmp_path, "good").objects) == 1
        done += 1
    attacker.join()
    assert len(caught) == 1
    assert done > 5
