"""Charts with the hard parts of Helm, written into a folder: name -> {path: content}."""

from __future__ import annotations

from pathlib import Path


def _chart(name: str, extra: str = "") -> str:
    return f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n{extra}"


def _config_map(name: str, body: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{body}"


def _subchart(name: str) -> dict[str, str]:
    return {
        f"charts/{name}/Chart.yaml": _chart(name),
        f"charts/{name}/values.yaml": "port: 1000\nexported: {size: 12}\nenabled: true\n",
        f"charts/{name}/templates/cm.yaml": _config_map(
            "{{ .Release.Name }}-{{ .Chart.Name }}",
            '  port: {{ .Values.port | quote }}\n  global: {{ .Values.global.env | default "none" | quote }}\n',
        ),
        f"charts/{name}/crds/crd.yaml": (
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
            f"metadata:\n  name: {name}.example.com\n"
        ),
    }


def _hook(name: str, event: str, weight: int) -> str:
    return (
        f'apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    "helm.sh/hook": {event}\n'
        f'    "helm.sh/hook-weight": "{weight}"\nspec: {{}}\n'
    )


CHARTS: dict[str, dict[str, str]] = {
    "subcharts": {
        "Chart.yaml": _chart(
            "subcharts",
            "dependencies:\n"
            "- {name: db, version: 0.1.0, condition: db.enabled, alias: store}\n"
            "- {name: cache, version: 0.1.0, tags: [fast], import-values: [{child: exported, parent: imported}]}\n"
            "- {name: idle, version: 0.1.0, condition: idle.enabled}\n",
        ),
        "values.yaml": (
            "tags: {fast: true}\nstore: {port: 5432}\nidle: {enabled: false}\nglobal: {env: prod}\nimported: {}\n"
        ),
        "templates/cm.yaml": _config_map("top", "  imported: {{ toYaml .Values.imported | quote }}\n"),
        **_subchart("db"),
        **_subchart("cache"),
        **_subchart("idle"),
    },
    "tpl": {
        "Chart.yaml": _chart("tpl"),
        "values.yaml": "greeting: 'hello {{ .Release.Name }}'\nfile: conf/a.txt\n",
        "conf/a.txt": "x: {{ .Release.Namespace }}\n",
        "conf/b.txt": "b\n",
        "templates/cm.yaml": _config_map(
            "tpl",
            "  a: {{ tpl .Values.greeting . | quote }}\n  b: {{ tpl (.Files.Get .Values.file) . | quote }}\n"
            '  {{- range $p, $_ := .Files.Glob "conf/*.txt" }}\n'
            "  {{ base $p }}: {{ $.Files.Get $p | quote }}\n  {{- end }}\n"
            '  secret: {{ (.Files.Glob "conf/*").AsSecrets | quote }}\n',
        ),
    },
    "lookup": {
        "Chart.yaml": _chart("lookup"),
        "templates/cm.yaml": _config_map(
            "lookup", '  found: {{ if lookup "v1" "Secret" "a" "b" }}"yes"{{ else }}"no"{{ end }}\n'
        ),
    },
    "capabilities": {
        "Chart.yaml": _chart("capabilities", 'kubeVersion: ">=1.20.0-0"\n'),
        "templates/cm.yaml": _config_map(
            "capabilities",
            "  version: {{ .Capabilities.KubeVersion.Version | quote }}\n"
            "  minor: {{ .Capabilities.KubeVersion.Minor | quote }}\n"
            '  known: {{ .Capabilities.APIVersions.Has "apps/v1" | quote }}\n'
            '  mine: {{ .Capabilities.APIVersions.Has "example.com/v1/Thing" | quote }}\n'
            '  newer: {{ semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version | quote }}\n',
        ),
    },
    "library": {
        "Chart.yaml": _chart("library", "dependencies:\n- {name: lib, version: 0.1.0}\n"),
        "charts/lib/Chart.yaml": _chart("lib", "type: library\n"),
        "charts/lib/templates/_names.tpl": (
            '{{- define "lib.name" -}}{{ .Release.Name }}-{{ .Chart.Name }}-{{ .Values.x | default "d" }}{{- end }}\n'
        ),
        "templates/cm.yaml": _config_map('{{ include "lib.name" . }}', "  a: b\n"),
    },
    "crds": {
        "Chart.yaml": _chart("crds"),
        "crds/a.yaml": (
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.example.com}\n"
            "---\n"
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: b.example.com}\n"
        ),
        "crds/more/c.yaml": (
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: c.example.com}\n"
        ),
        "templates/a.yaml": "apiVersion: example.com/v1\nkind: A\nmetadata: {name: a}\n",
    },
    "hooks": {
        "Chart.yaml": _chart("hooks"),
        "templates/before.yaml": _hook("before", "pre-install", 1),
        "templates/after.yaml": _hook("after", "post-install,post-upgrade", -5),
        "templates/test.yaml": _hook("check", "test", 0),
        "templates/NOTES.txt": "hello {{ .Release.Name }}",
        "templates/_parts.tpl": "{{/* nothing */}}",
        "templates/empty.yaml": "{{ if false }}x{{ end }}\n",
    },
    "numbers": {
        "Chart.yaml": _chart("numbers"),
        "values.yaml": (
            "big: 1000000\nuid: 1000650000\nmode: 0644\nfraction: 1.5\nlist: [1, 2]\nnested: {a: {b: 3}}\n"
            "env: [{name: A, value: 1}, {name: B, value: 2}]\nyes: on\n"
        ),
        "templates/cm.yaml": _config_map(
            "numbers",
            '  big: "{{ .Values.big }} {{ kindOf .Values.big }} {{ int64 .Values.big }}"\n'
            '  uid: "{{ .Values.uid }} {{ kindOf .Values.uid }}"\n  mode: "{{ .Values.mode }}"\n'
            "  env: {{ toYaml .Values.env | quote }}\n  all: {{ toYaml .Values | quote }}\n",
        ),
    },
    "schema": {
        "Chart.yaml": _chart("schema"),
        "values.yaml": "n: 3\n",
        "values.schema.json": '{"type": "object", "properties": {"n": {"type": "integer", "maximum": 10}}}',
        "templates/cm.yaml": _config_map("schema", "  n: {{ .Values.n | quote }}\n"),
    },
    "nulls": {
        "Chart.yaml": _chart("nulls"),
        "values.yaml": "a: {b: 1, c: 2}\nd: {e: {f: 1}}\nprobe: {httpGet: {path: /}}\n",
        "over.yaml": "a: {b: null}\nd: null\nprobe: {httpGet: null, tcp: {port: 1}}\n",
        "templates/cm.yaml": _config_map("nulls", "  all: {{ toYaml .Values | quote }}\n"),
    },
    "ignored": {
        "Chart.yaml": _chart("ignored"),
        ".helmignore": "# comment\n*.bak\n/secret/\nconf/skip.txt\n",
        "a.bak": "x",
        "secret/x.txt": "x",
        "conf/skip.txt": "x",
        "conf/keep.txt": "x",
        "templates/broken.bak": "nonsense: [",
        "templates/.hidden.yaml": "nonsense: [",
        "templates/cm.yaml": _config_map(
            "ignored", '{{- range $p, $_ := .Files }}\n  {{ $p | replace "/" "." }}: x\n{{- end }}\n'
        ),
    },
    "failing": {"Chart.yaml": _chart("failing"), "templates/cm.yaml": '{{ fail "no way" }}\n'},
    "required": {
        "Chart.yaml": _chart("required"),
        "templates/cm.yaml": '{{ required "give it" .Values.nothing }}\n',
    },
    "alone": {"Chart.yaml": _chart("alone", "type: library\n"), "templates/_x.tpl": ""},
}


def write(folder: Path) -> Path:
    """Write every chart below `folder`."""
    for name, files in CHARTS.items():
        for path, content in files.items():
            file = folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    return folder
