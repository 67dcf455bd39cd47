"""Go templates, as a manual of what is understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.applicationset.gotemplate import TemplateError, render

PARAMS = {
    "name": "Web App",
    "count": 3,
    "on": True,
    "none": None,
    "list": ["b", "a", "c"],
    "path": {"segments": ["apps", "web"], "basename": "web"},
    "metadata": {"labels": {"env/tier": "prod"}},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.name}}-{{ .count }}", "Web App-3"),
        ("{{ .path.basename | upper }}", "WEB"),
        ("{{ index .path.segments 1 }}", "web"),
        ('{{ index .metadata.labels "env/tier" }}', "prod"),
        ("{{ .name | normalize }}", "web-app"),
        ('{{ slugify 8 true "hello wide world" }}', "hello"),
        ("{{ if .on }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if .none }}a{{ else if eq .count 3 }}b{{ else }}c{{ end }}", "b"),
        ("{{ if and .on (gt .count 2) }}both{{ end }}", "both"),
        ("{{ or .none .name }}", "Web App"),
        ("{{ range .list }}{{ . }}{{ end }}", "bac"),
        ("{{ range $i, $v := .list }}{{ if $i }},{{ end }}{{ $v }}{{ end }}", "b,a,c"),
        ("{{ range $k, $v := .path }}{{ $k }};{{ end }}", "basename;segments;"),
        ("{{ range .none }}x{{ else }}empty{{ end }}", "empty"),
        ('{{ range .list }}{{ if eq . "a" }}{{ break }}{{ end }}{{ . }}{{ end }}', "b"),
        ("{{ with .path }}{{ .basename }}-{{ $.count }}{{ end }}", "web-3"),
        ("{{ $x := 1 }}{{ if .on }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("a {{- .count -}} b", "a3b"),
        ("{{/* nothing */}}x", "x"),
        ('{{ "}}" }}{{ `raw "text"` }}', '}}raw "text"'),
        ('{{ default "d" .missing }}', "d"),
        ("{{ .missing }}", "<no value>"),
        ('{{ printf "%s-%03d-%v" .name .count .on }}', "Web App-003-true"),
        ('{{ .list | sortAlpha | join "," }}', "a,b,c"),
        ('{{ dict "a" 1 "b" .list | toJson }}', '{"a":1,"b":["b","a","c"]}'),
        ("{{ .path | toYaml | nindent 2 }}", "\n  basename: web\n  segments:\n  - apps\n  - web"),
        ('{{ (fromYaml "a: {b: c}").a.b }}', "c"),
        ('{{ regexReplaceAll "(W)eb" .name "${1}ob" }}', "Wob App"),
        ('{{ semverCompare ">=1.2, <2" "v1.9.3" }}', "true"),
        ('{{ ternary "a" "b" .on }}', "a"),
        ("{{ add .count 1 | mul 2 }}", "8"),
        ('{{ trunc 3 .name }}{{ trimSuffix "App" .name }}', "WebWeb "),
        ("{{ len .list }} {{ not .on }} {{ .list }}", "3 false [b a c]"),
    ],
)
def test_what_templates_say(template, text):
    assert render(template, PARAMS) == text


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ .name ", "has no }}"),
        ("{{ if .on }}", "has no {{end}}"),
        ("{{ end }}", "unexpected"),
        ("{{ nothing 1 }}", 'function "nothing" not defined'),
        ("{{ .name.x }}", "can't evaluate field x"),
        ("{{ .none.x }}", "nil pointer"),
        ("{{ $x }}", "undefined variable"),
        ("{{ index .list 9 }}", "out of range"),
        ('{{ fail "do this" }}', "do this"),
        ('{{ env "HOME" }}', "not defined"),
        ('{{ template "x" }}', "not supported"),
        ('{{ regexMatch "(" "x" }}', "not a regular expression"),
        ("{{ upper }}", "error calling upper"),
        ('{{ repeat 999999999 "a" }}', "the most is"),
        ("{{ range until 9999 }}{{ range until 9999 }}{{ end }}{{ end }}", "steps"),
        ('{{ range until 9999 }}{{ repeat 9999 "a" }}{{ end }}', "characters"),
    ],
)
def test_mistakes_and_bombs_are_one_sentence(template, sentence):
    with pytest.raises(TemplateError) as failed:
        render(template, PARAMS)
    assert sentence in str(failed.value)


def test_a_missing_key_may_be_an_error():
    with pytest.raises(TemplateError, match='no entry for key "missing"'):
        render("{{ .missing }}", PARAMS, missing_key_error=True)


def test_a_hostile_regular_expression_ends():
    assert render('{{ regexMatch "^(a+)+$" .s }}', {"s": "a" * 5000 + "!"}) == "false"


@given(st.text(alphabet='{}.-x $|()"`', max_size=30))
def test_any_text_renders_or_is_refused(template):
    try:
        assert isinstance(render(template, PARAMS), str)
    except TemplateError:
        return
