"""Source specs and files of every shape: each gives objects, or one of our own errors, and never a crash."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.errors import GitOpsError, InvalidSpecError
from gitops.model.application import Application, Source
from gitops.source import BuildEnv, Renderer, RenderRequest
from testbed import build

sys.path.insert(0, str(Path(__file__).parent))
from hostile import CHART, CONFIG_MAP, LIMITS, write

#: How the end of a process is told that had an error nobody thought of.
CRASH = re.compile(r"renderer (failed|crashed)|render process ended|cannot be read$|in the middle of the render")
BOUNDED = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

WORDS = st.sampled_from(
    ["a", "a.yaml", "sub", "../x", ".", "", "*", "**/*.yaml", "$ref/x", "$ARGOCD_APP_NAME", "https://host/x.yaml", "{a",
     "[", "v1", "~1", "name=img:1", "a\nb", "\x00", "ü", "--x", "null", "{{ .Values.a }}", "a: [", "1e3"]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def likely(shape: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly of the shape that a field has, now and then of any."""
    return st.sampled_from([shape] * 24 + [VALUES]).flatmap(lambda chosen: chosen)


TEXTS = likely(st.lists(WORDS, max_size=3))
PAIRS = likely(st.dictionaries(WORDS, WORDS, max_size=2))


def entries(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return likely(st.lists(likely(st.fixed_dictionaries({}, optional=fields)), max_size=2))


VARIABLES = entries(name=likely(WORDS), value=likely(WORDS), code=likely(st.booleans()))
PATCHES = entries(
    path=likely(WORDS),
    patch=likely(st.sampled_from(["- {op: add, path: /a, value: 1}", "{", "kind: X"])),
    target=likely(st.fixed_dictionaries({}, optional={"kind": WORDS, "name": WORDS, "labelSelector": WORDS})),
    options=likely(st.dictionaries(WORDS, st.booleans(), max_size=1)),
)
BLOCKS = {
    "directory": {
        "recurse": st.booleans(), "include": WORDS, "exclude": WORDS, "disableExtensionFilter": st.booleans(),
        "jsonnet": likely(st.fixed_dictionaries({}, optional={"extVars": VARIABLES, "tlas": VARIABLES, "libs": TEXTS})),
    },
    "kustomize": {
        "namePrefix": WORDS, "nameSuffix": WORDS, "namespace": WORDS, "images": TEXTS, "components": TEXTS,
        "replicas": entries(name=likely(WORDS), count=likely(st.integers() | WORDS)),
        "commonLabels": PAIRS, "commonAnnotations": PAIRS, "patches": PATCHES,
        "ignoreMissingComponents": st.booleans(), "forceCommonLabels": st.booleans(),
        "labelWithoutSelector": st.booleans(), "labelIncludeTemplates": st.booleans(),
    },
    "helm": {
        "releaseName": WORDS, "valueFiles": TEXTS, "values": WORDS, "valuesObject": PAIRS, "namespace": WORDS,
        "parameters": entries(name=likely(WORDS), value=likely(WORDS), forceString=likely(st.booleans())),
        "fileParameters": entries(name=likely(WORDS), path=likely(WORDS)), "kubeVersion": WORDS, "apiVersions": TEXTS,
        "skipCrds": st.booleans(), "skipTests": st.booleans(), "ignoreMissingValueFiles": st.booleans(),
        "skipSchemaValidation": st.booleans(),
    },
    "plugin": {"name": WORDS, "env": VARIABLES, "parameters": entries(name=likely(WORDS), array=TEXTS, map=PAIRS)},
}  # fmt: skip
BLOCK = {
    name: likely(st.fixed_dictionaries({}, optional={field: likely(shape) for field, shape in fields.items()}))
    for name, fields in BLOCKS.items()
}
SOURCES = st.sampled_from(["plain", "kustomize", "helm", "jsonnet", "nowhere", "../x", ""]).flatmap(
    lambda path: st.one_of(
        *(st.fixed_dictionaries({"repoURL": likely(st.just("https://h/r")), "path": likely(st.just(path)), name: block})
          for name, block in BLOCK.items())
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    """The render process with the warm kustomize renderer, which is faster than kubectl."""
    try:
        binary = build.gitops_kustomize()
    except build.GoMissingError as error:
        pytest.skip(str(error))
    made = Renderer(sandbox="required", kustomize=str(binary), temp=tmp_path_factory.mktemp("renders"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each kind."""
    return write(
        tmp_path_factory.mktemp("fuzz"),
        {
            "plain/a.yaml": CONFIG_MAP,
            "plain/sub/b.json": orjson.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}}),
            "kustomize/kustomization.yaml": "resources: [a.yaml]\n",
            "kustomize/a.yaml": CONFIG_MAP,
            "helm/Chart.yaml": CHART,
            "helm/values.yaml": "a: 1\n",
            "helm/templates/a.yaml": CONFIG_MAP,
            "jsonnet/a.jsonnet": "function(a=1) {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'a'}}",
        },
    )


def rendered(renderer: Renderer, root: Path, source: Source) -> None:
    request = RenderRequest(
        root, source.path, source, env=BuildEnv(app_name="app", namespace="space"), limits=LIMITS,
        kustomize_build_options="--enable-helm",
    )  # fmt: skip
    try:
        objects = renderer.render(request).objects
    except GitOpsError as error:
        text = str(error)
        assert not CRASH.search(text), text
        assert "Traceback" not in text
        assert text.isprintable(), text
    else:
        assert all(isinstance(obj, dict) for obj in objects)


@BOUNDED
@given(source=SOURCES)
def test_any_source_spec_renders_or_is_refused(warm: Renderer, repo: Path, source: dict[str, Any]) -> None:
    try:
        metadata = {"name": "app", "namespace": "argocd"}
        chosen = Application.from_object({"metadata": metadata, "spec": {"source": source}}).all_sources[0]
    except InvalidSpecError:
        return
    rendered(warm, repo, chosen)


# --- files ---

LISTS = ("resources", "components", "bases", "generators", "transformers", "crds", "configurations", "helmCharts",
         "patchesStrategicMerge", "patches", "replacements", "configMapGenerator", "secretGenerator", "images",
         "labels", "replicas", "patchesJson6902")  # fmt: skip
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "name": likely(WORDS), "path": likely(WORDS), "files": TEXTS, "envs": TEXTS, "env": likely(WORDS),
        "literals": TEXTS, "version": likely(WORDS), "repo": likely(WORDS), "valuesInline": PAIRS, "pairs": PAIRS,
        "valuesFile": likely(WORDS), "additionalValuesFiles": TEXTS, "newTag": likely(WORDS),
        "repository": likely(WORDS),
        "alias": likely(WORDS), "condition": likely(WORDS),
    },
)  # fmt: skip
KUSTOMIZATION = st.dictionaries(
    st.sampled_from(
        [*LISTS, "openapi", "namePrefix", "namespace", "commonLabels", "helmGlobals", "apiVersion", "kind"]
    ),
    likely(st.lists(likely(ITEM | WORDS), max_size=3)),
    max_size=4,
)
CHART_FILE = st.fixed_dictionaries(
    {
        "name": likely(st.just("c")),
        "version": likely(st.just("1.0.0")),
        "apiVersion": likely(st.sampled_from(["v1", "v2"])),
    },
    optional={"dependencies": likely(st.lists(likely(ITEM), max_size=2)), "kubeVersion": likely(WORDS), "type": VALUES},
)
OBJECT = st.fixed_dictionaries(
    {},
    optional={"apiVersion": likely(st.just("v1")), "kind": likely(st.just("List") | WORDS), "metadata": VALUES,
              "items": VALUES, "spec": VALUES},
)  # fmt: skip


OVERRIDES = st.fixed_dictionaries({}, optional=BLOCK)
CHARTS = entries(name=likely(st.sampled_from(["d", "c"])), version=likely(WORDS), repository=likely(WORDS))
#: What each file holds, where it holds anything sensible.
FILES: dict[str, st.SearchStrategy[Any]] = {
    "kustomization.yaml": KUSTOMIZATION,
    "Chart.yaml": CHART_FILE,
    "Chart.lock": st.fixed_dictionaries({}, optional={"dependencies": CHARTS}),
    "values.yaml": st.dictionaries(WORDS, VALUES, max_size=3),
    "templates/a.yaml": OBJECT,
    "a.yaml": OBJECT,
    "a.json": OBJECT,
    ".argocd-source.yaml": OVERRIDES,
    ".argocd-source-app.yaml": OVERRIDES,
}
SIGNS = st.text(alphabet="{}[]&*!|>-:?,#'\"%@ \n\tab1.~<", max_size=60).map(str.encode)


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def dumped(value: Any) -> bytes:
    """JSON, which is YAML; integers of any size stay what they are."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str) if not _large(value) else b'{"a": 1e400}'


def _large(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_large, value.values()))
    return any(map(_large, value)) if isinstance(value, list) else isinstance(value, int) and abs(value) >= 2**63


def contents(name: str) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.tuples(st.just(name), likely(FILES[name]).map(dumped) | st.binary(max_size=60) | SIGNS)


@BOUNDED
@given(st.sampled_from([*FILES, "kustomization.yaml", "Chart.yaml"]).flatmap(contents))
def test_any_file_renders_or_is_refused(warm: Renderer, fresh: Path, file: tuple[str, bytes]) -> None:
    name, content = file
    files: dict[str, str | bytes] = {"a.yaml": CONFIG_MAP, "sub/Chart.yaml": CHART, "x.txt": "x"}
    if name in ("values.yaml", "Chart.lock", "templates/a.yaml"):
        files["Chart.yaml"] = CHART + "dependencies: [{name: d, version: '>=0.1', repository: 'file://sub'}]\n"
    for path in fresh.rglob("*"):
        if path.is_file():
            path.unlink()
    write(fresh, {**files, name: content})
    rendered(warm, fresh, Source(repoURL="https://h/r", path="."))
