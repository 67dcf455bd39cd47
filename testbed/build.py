"""Builds tools from Go modules, once, into a cache outside the tree.

Every folder of testbed/ with a go.mod is a set of tools: its `tool` lines, or its own `main` package where it has none.
Adding a tool is a `tool` line (or a folder with a go.mod of its own, where versions would clash), then `go mod tidy`.

- A go.mod with one tool gives a binary named like the folder; with several, like their packages.
- The cache is ${XDG_CACHE_HOME:-~/.cache}/gitops-testbed/FOLDER-HASH/, HASH being of go.mod, go.sum, the Go sources and
  the flags: the same sources are never built twice, and a hit costs the hashing of a few files.
- Builds of one folder that run at the same time wait for each other on a lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from testbed.progress import BuildProgress

ROOT = Path(__file__).parent
GOKUSTOMIZE = ROOT.parent / "gitops" / "source" / "gokustomize"
CONTROL_PLANE = ("etcd", "kubernetes", "kwok")
LDFLAGS = "-s -w"
HELM = "helm.sh/helm/v3"
# Module -> variables that carry its version. Kubernetes without them calls itself v0.0.0 and refuses feature gates.
STAMPS = {
    "k8s.io/kubernetes": {
        "k8s.io/component-base/version.gitVersion": "v{0}.{1}.{2}",
        "k8s.io/component-base/version.gitMajor": "{0}",
        "k8s.io/component-base/version.gitMinor": "{1}",
    },
    HELM: {f"{HELM}/internal/version.version": "v{0}.{1}.{2}"},
}
KEEP_UNUSED_SECONDS = 14 * 24 * 3600


class BuildError(Exception):
    """A tool cannot be built; the message is one sentence for people, then what the compiler said."""


class GoMissingError(BuildError):
    """There is no Go toolchain, and the cache does not have the tool."""


def control_plane() -> dict[str, Path]:
    """The control plane's binaries by name, built if need be: etcd, kube-apiserver, …, kwok."""
    return {name: path for module in CONTROL_PLANE for name, path in build_module(ROOT / module).items()}


def tool(name: str) -> Path:
    """One tool by its name, such as "helm" or "promtool", built when first asked for."""
    for module in modules():
        if name in tools(module):
            return build_module(module)[name]
    known = ", ".join(sorted(name for module in modules() for name in tools(module)))
    raise BuildError(f"testbed has no tool {name!r}; it has {known}.")


def whatever_can_be() -> dict[str, Path]:
    """Every tool of testbed/, and the engine's own; what cannot be built is said, and left to those who need it."""
    wanted: dict[str, Callable[[], Path]] = {n: partial(tool, n) for module in modules() for n in tools(module)}
    wanted["gitops-kustomize"] = gitops_kustomize
    paths: dict[str, Path] = {}
    for name, make in wanted.items():
        try:
            paths[name] = make()
        except BuildError as error:
            print(f"testbed: {error}", file=sys.stderr)
    return paths


def gitops_kustomize() -> Path:
    """The engine's own renderer of kustomizations."""
    return build(GOKUSTOMIZE, name="gitops-kustomize")


def build(module_dir: Path, package: str = ".", name: str | None = None) -> Path:
    """Build one package of any Go module and return the binary; for modules outside of testbed/.

    `package` is an import path or a path relative to the module, `name` the binary's name (default: the folder's).
    """
    binary = name or Path(module_dir).name
    return _build(Path(module_dir), {binary: package})[binary]


def modules() -> list[Path]:
    """The folders of testbed/ that hold a go.mod."""
    return sorted(path.parent for path in ROOT.glob("*/go.mod"))


def tools(module_dir: Path) -> dict[str, str]:
    """Binary name -> package, of the go.mod's `tool` lines."""
    packages: list[str] = []
    inside = False
    for raw in (module_dir / "go.mod").read_text().splitlines():
        line = raw.split("//")[0].strip()
        if line == "tool (":
            inside = True
        elif inside and line == ")":
            inside = False
        elif inside and line:
            packages.append(line)
        elif line.startswith("tool "):
            packages.append(line.removeprefix("tool ").strip())
    if len(packages) > 1:
        return {package.rsplit("/", 1)[-1]: package for package in packages}
    return {module_dir.name: packages[0] if packages else "."}


def build_module(module_dir: Path) -> dict[str, Path]:
    """Build every tool of one go.mod; binary name -> path."""
    return _build(module_dir, tools(module_dir))


def cache_root() -> Path:
    """Where built tools are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gitops-testbed"


def cached_dir(module_dir: Path, packages: dict[str, str]) -> Path:
    """The cache folder of this exact source; it exists only when it is complete."""
    digest = hashlib.sha256()
    sources = [module_dir / "go.mod", module_dir / "go.sum", *sorted(module_dir.rglob("*.go"))]
    for source in sources:
        if source.exists():
            digest.update(source.relative_to(module_dir).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    digest.update(repr((sorted(packages.items()), ldflags(module_dir), os.uname().machine)).encode())
    return cache_root() / f"{module_dir.name}-{digest.hexdigest()[:12]}"


def ldflags(module_dir: Path) -> str:
    """Linker flags, with the versions that upstream's own builds stamp in; `go build` alone leaves them out."""
    stamps = [
        f"-X {variable}={template.format(*version)}"
        for module, variables in STAMPS.items()
        if (version := _required(module_dir, module))
        for variable, template in variables.items()
    ]
    # Helm tells charts the Kubernetes version of its client library, whose minor version is the cluster's.
    if _required(module_dir, HELM) and (client := _required(module_dir, "k8s.io/client-go")):
        stamps.append(f"-X {HELM}/pkg/chartutil.k8sVersionMinor={client[1]}")
    return " ".join([LDFLAGS, *stamps])


def _required(module_dir: Path, module: str) -> tuple[str, ...]:
    """Major, minor and patch version of a module that the go.mod requires, or nothing."""
    line = rf"^\s*(?:require )?{re.escape(module)} v(\d+)\.(\d+)\.(\S+)"
    found = re.search(line, _go_mod(module_dir), re.MULTILINE)
    return found.groups() if found else ()


def _build(module_dir: Path, packages: dict[str, str]) -> dict[str, Path]:
    module_dir = module_dir.resolve()
    target = cached_dir(module_dir, packages)
    if not target.exists():
        with _locked(module_dir.name):
            if not target.exists():  # another process may have built it while this one waited
                _compile(module_dir, packages, target)
                _drop_unused(module_dir.name, keep=target)
    os.utime(target)
    return {name: target / name for name in packages}


def _compile(module_dir: Path, packages: dict[str, str], target: Path) -> None:
    _check_go(module_dir)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    flags = ["-trimpath", "-ldflags", ldflags(module_dir)]
    scratch = Path(tempfile.mkdtemp(prefix=f".{module_dir.name}-", dir=cache_root()))
    try:
        with BuildProgress(", ".join(packages)) as progress:
            progress.total = _count_packages(module_dir, list(packages.values()), environment)
            # One command for all of a module's tools shares their compilation; a single one can be named freely.
            output = f"{scratch}/" if len(packages) > 1 else str(scratch / next(iter(packages)))
            command = ["go", "build", "-v", *flags, "-o", output, *packages.values()]
            code, said = _run(command, module_dir, environment, progress)
        if code:
            tail = "\n".join(said[-15:])
            raise BuildError(f"{', '.join(packages)} cannot be built from {module_dir.name}/go.mod:\n{tail}")
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(
    command: Sequence[str], directory: Path, environment: dict[str, str], progress: BuildProgress
) -> tuple[int, list[str]]:
    """Run the build, one line of `go build -v` a compiled package; the exit code and the last lines."""
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        try:
            for line in process.stderr:
                said = [*said[-50:], line.rstrip()]
                progress.compiled(line.strip())
            return process.wait(), said
        except BaseException:
            process.kill()
            raise


def _count_packages(module_dir: Path, packages: list[str], environment: dict[str, str]) -> int:
    """How many packages the build is made of; also brings the modules that are missing."""
    listed = subprocess.run(
        ["go", "list", "-deps", *packages],
        cwd=module_dir, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        tail = "\n".join(listed.stderr.splitlines()[-15:])
        raise BuildError(f"The modules of {module_dir.name}/go.mod cannot be fetched:\n{tail}")
    return len(listed.stdout.splitlines())


def _check_go(module_dir: Path) -> None:
    wanted = re.search(r"^go (\S+)", _go_mod(module_dir), re.MULTILINE)
    least = wanted.group(1) if wanted else "1.24"
    if not shutil.which("go"):
        raise GoMissingError(f"Go {least} or newer is needed to build {module_dir.name}; put `go` on PATH.")
    # Asked inside the module, so that a toolchain that Go may switch to by itself counts.
    asked = subprocess.run(["go", "env", "GOVERSION"], cwd=module_dir, capture_output=True, text=True, check=False)
    found = asked.stdout.strip().removeprefix("go")
    if asked.returncode or _version(found) < _version(least):
        raise BuildError(
            f"Go {least} or newer is needed to build {module_dir.name}; this is {found or 'an older one'}."
        )


def _version(text: str) -> tuple[int, ...]:
    """1.26.8 as numbers; what follows them ("rc1", "-custom") does not count."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", text)[0]))


def _go_mod(module_dir: Path) -> str:
    return (module_dir / "go.mod").read_text()


def _drop_unused(name: str, keep: Path) -> None:
    """Remove this folder's older builds that nobody asked for in two weeks."""
    for old in cache_root().glob(f"{name}-" + "[0-9a-f]" * 12):
        if old != keep and time.time() - old.stat().st_mtime > KEEP_UNUSED_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"testbed: waiting for another build of {name}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
