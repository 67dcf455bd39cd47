"""What rendering costs: milliseconds and peak MiB a render, and renders a second of two workers for 500 applications.

    python -m bench.render [--apps 500] [--seconds 5]

Beside each kind stands the tool run as a process, which is what a render would cost without the warm renderers. The
peak is that of the render's own process, or of the tool's; the services that renders share are listed at the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gitops.model.application import Source
from gitops.source import BuildEnv, Renderer, RenderRequest
from testbed import build

ROOT = Path(__file__).parents[1]
KINDS = ("plain", "kustomize", "helm")
WORKERS = 2
#: Of how many applications a tool's peak is taken.
_PEAKS = 5

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: NAME}}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: web
        image: registry.example.com/NAME:1.0
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 10m, memory: 32Mi}}
"""
OTHERS = [
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec: {selector: {app: NAME}, ports: [{port: 80}]}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: b, c: d}\n",
    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: NAME}\n",
    "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: NAME}\nspec: {minAvailable: 1}\n",
]
NAMES = ("deployment.yaml", "service.yaml", "config.yaml", "account.yaml", "budget.yaml")


def write(root: Path, apps: int) -> dict[str, list[str]]:
    """A monorepo of `apps` applications of five objects each, a third of each kind; answers their paths by kind."""
    files = dict(zip(NAMES, [DEPLOYMENT, *OTHERS], strict=True))
    paths: dict[str, list[str]] = {kind: [] for kind in KINDS}
    base = root / "base"
    base.mkdir(parents=True)
    for name, content in files.items():
        (base / name).write_text(content.replace("NAME", "web"))
    (base / "kustomization.yaml").write_text(f"resources: [{', '.join(NAMES)}]\n")
    for number in range(apps):
        kind = KINDS[number % len(KINDS)]
        folder = root / "apps" / f"app-{number}"
        folder.mkdir(parents=True)
        paths[kind].append(f"apps/app-{number}")
        if kind == "plain":
            for name, content in files.items():
                (folder / name).write_text(content.replace("NAME", f"app-{number}"))
        elif kind == "kustomize":
            (folder / "kustomization.yaml").write_text(
                f"resources: [../../base]\nnamePrefix: app-{number}-\nnamespace: prod\n"
                "images: [{name: registry.example.com/web, newTag: '2.0'}]\nreplicas: [{name: web, count: 3}]\n"
                "labels: [{pairs: {team: a}}]\n"
                "patches:\n- target: {kind: Service}\n  patch: |-\n    - {op: add, path: /spec/type, value: NodePort}\n"
            )
        else:
            (folder / "templates").mkdir()
            (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: app-{number}\nversion: 0.1.0\n")
            (folder / "values.yaml").write_text("replicas: 2\n")
            for name, content in files.items():
                text = content.replace("NAME", "{{ .Release.Name }}").replace(
                    "replicas: 2", "replicas: {{ .Values.replicas }}"
                )
                (folder / "templates" / name).write_text(text)
    return paths


def request(root: Path, path: str) -> RenderRequest:
    return RenderRequest(root, path, Source(repoURL="local", path=path), env=BuildEnv(app_name=Path(path).name))


def each(paths: list[str], seconds: float, one: Callable[[str], object]) -> list[float]:
    """Milliseconds of calls, one after another, for about `seconds`; the first, which starts things, is left out."""
    one(paths[0])
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 10:
        started = time.perf_counter()
        one(paths[len(taken) % len(paths)])
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def tools() -> dict[str, list[str]]:
    """The command of each kind's tool, as far as it can be built."""
    found = {}
    for kind, arguments in (("kustomize", ["build"]), ("helm", ["template", "release"])):
        try:
            found[kind] = [str(build.tool(kind)), *arguments]
        except build.BuildError as error:
            print(f"no {kind} to compare with: {error}")
    return found


#: Runs a command from a small process and prints its peak KiB: Linux counts what the process was before exec too, which
#: for a child of this one would be all that this one holds.
_PEAK = """
import os, sys
out = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=out)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_of(command: list[str], folder: Path) -> float:
    """The peak MiB of a tool that is run on a folder."""
    wrapped = [sys.executable, "-I", "-S", "-c", _PEAK, *command, str(folder)]
    return int(subprocess.run(wrapped, check=True, capture_output=True).stdout) / 1024


def fleet(paths: list[str], one: Callable[[str], object]) -> float:
    """Seconds until WORKERS forked processes have rendered every path once between them."""
    started = time.perf_counter()
    children = []
    for worker in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for path in paths[worker::WORKERS]:
                    one(path)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert codes == [0] * WORKERS, codes
    return time.perf_counter() - started


def resident(pid: int) -> dict[str, float]:
    """Proportional MiB of a process and its children, by what they are."""
    found: dict[str, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if pid not in (parent, int(entry.name)):
                continue
            maps = (entry / "maps").read_text()
            rollup = (entry / "smaps_rollup").read_text()
        except (OSError, ValueError):
            continue
        what = "helm service" if "libhelm" in maps else "renders" if "python" in maps else "kustomize service"
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        found[what] = found.get(what, 0) + pss / 1024
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--apps", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each kind is measured")
    options = parser.parse_args()
    binary = build.gitops_kustomize()
    commands = tools()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        paths = write(root, options.apps)
        renderer = Renderer(sandbox="required", kustomize=str(binary))
        kubectl = Renderer(sandbox="required", kustomize="kubectl")
        peaks: list[float] = []

        def warm(path: str) -> None:
            rendered = renderer.render(request(root, path))
            assert len(rendered.objects) == len(NAMES)
            peaks.append(rendered.peak)

        def by_kubectl(path: str) -> None:
            kubectl.render(request(root, path))

        def process(command: list[str]) -> Callable[[str], object]:
            return lambda path: subprocess.run([*command, root / path], check=True, capture_output=True)

        print(f"{'':<30}{'p50 ms':>8}{'p95 ms':>8}{'peak MiB':>10}")
        for kind in KINDS:
            _row(kind, each(paths[kind], options.seconds, warm), max(peaks))
            peaks.clear()
            if kind == "kustomize":
                _row("kustomize, by kubectl", each(paths[kind], options.seconds, by_kubectl), None)
            if kind in commands:
                peak = max(peak_of(commands[kind], root / path) for path in paths[kind][:_PEAKS])
                _row(f"{kind} as a process", each(paths[kind], options.seconds, process(commands[kind])), peak)
        every = [path for kind in KINDS for path in paths[kind]]
        every.sort(key=lambda p: int(p.rpartition("-")[2]))
        print()
        _rate("all applications", every, warm)
        for kind in KINDS:
            _rate(kind, paths[kind], warm)
            if kind in commands:
                _rate(f"{kind} as processes", paths[kind], process(commands[kind]))
        print()
        for what, mib in sorted(resident(renderer.pid or 0).items()):
            print(f"{what:<30}{mib:>8.1f} MiB PSS")
        kubectl.close()
        renderer.close()


def _row(name: str, taken: list[float], peak: float | None) -> None:
    p95 = statistics.quantiles(taken, n=20)[-1]
    shown = f"{peak:>10.0f}" if peak is not None else ""
    print(f"{name:<30}{statistics.median(taken):>8.1f}{p95:>8.1f}{shown}", flush=True)


def _rate(name: str, paths: list[str], one: Callable[[str], object]) -> None:
    seconds, count = fleet(paths, one), len(paths)
    print(f"{name:<30}{count:>5} in {seconds:.1f} s by {WORKERS} workers: {count / seconds:.0f} renders/s", flush=True)


if __name__ == "__main__":
    main()
