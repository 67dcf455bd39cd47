"""A chart's containers as processes: what the kubelet would start, with their arguments, environment and rights.

    with Pods(cluster, "argocd", objects) as pods:
        worker = pods.start("engine-worker")
        pods.probe(worker, "livenessProbe")
        pods.terminate(worker)

Everything comes from the objects and from the API server: ConfigMaps, Secrets, the ServiceAccount's token. What differs
from a node: every port is a free one of the loopback, and /tmp, /data and mounted Secrets are folders of the pod. With
`confined` not even that: the process has a root of its own, read-only but for its volumes, and no rights of root.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed import confine
from testbed.certificates import kubeconfig
from testbed.closing import Closing
from testbed.controlplane import ControlPlane
from testbed.processes import ProcessGroup, TestbedError, free_port, wait_until

ROOT = Path(__file__).parents[1]
#: The programs of this environment; in the image they are on the path.
BIN = Path(sys.executable).parent
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
Object = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """One container that was started."""

    name: str
    container: Object
    grace: float
    env: dict[str, str] = field(repr=False)
    #: Where the container's path lies outside of it.
    paths: dict[str, str]
    #: Container port's name -> the port here.
    ports: dict[str, int]
    confined: bool = False

    def url(self, path: str = "", port: str = "metrics") -> str:
        """The address of one of its ports."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"


class Pods(Closing):
    """The workloads among `objects`, which are applied to `cluster` already."""

    def __init__(self, cluster: ControlPlane, namespace: str, objects: Sequence[Object]) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._workloads = {o["metadata"]["name"]: o for o in objects if o["kind"] in ("Deployment", "StatefulSet")}
        self._group = ProcessGroup("pods")
        self.pods: list[Pod] = []

    def start(self, workload: str, env: Mapping[str, str] | None = None, *, confined: bool = False) -> Pod:
        """Start one replica; `env` wins over what the container says. It is not waited for."""
        name = f"{workload}-{len(self.pods)}"
        spec = self._workloads[workload]["spec"]["template"]["spec"]
        container = spec["containers"][0]
        folder = self._group.directory / name
        folder.mkdir(mode=0o755)
        paths = self._volumes(folder, spec, container)
        ports = {str(port["name"]): free_port() for port in container.get("ports", [])}
        pod = Pod(
            name,
            container,
            float(spec["terminationGracePeriodSeconds"]),
            {},
            paths,
            ports,
            confined,
        )
        pod.env.update(self._environment(pod, container))
        pod.env.update(self._account(folder, spec, pod))
        pod.env.update(env or {})
        self._group.start(name, self._inside(pod, container["args"]), pod.env, cwd=ROOT)
        self.pods.append(pod)
        return pod

    def ready(self, pod: Pod, timeout: float = 60.0) -> Pod:
        """Wait until its startup probe is satisfied."""
        try:
            self._group.wait_ready(pod.name, lambda: self.probe(pod, "startupProbe"), timeout)
        except TestbedError as error:
            raise AssertionError(f"{error}\n{self.log(pod)[-3000:]}") from None
        return pod

    def probe(self, pod: Pod, which: str) -> bool:
        """Run one of its probes once."""
        probe = pod.container[which]
        if "exec" in probe:
            return self.run(pod, probe["exec"]["command"], timeout=float(probe["timeoutSeconds"])).returncode == 0
        if "tcpSocket" in probe:
            return _open(pod.ports[probe["tcpSocket"]["port"]])
        return _http(pod.ports[probe["httpGet"]["port"]], probe["httpGet"]["path"])

    def run(self, pod: Pod, command: Sequence[str], timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`kubectl exec`: a command with the container's environment."""
        argv = [str(word) for word in self._inside(pod, command)]
        return subprocess.run(argv, env=pod.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)

    def signal(self, pod: Pod, number: int) -> None:
        """Send a signal to its first process."""
        self._group.signal(pod.name, number)

    def terminate(self, pod: Pod) -> int | None:
        """As the kubelet does: SIGTERM, and SIGKILL after the grace period. Returns the exit code."""
        self._group.signal(pod.name, signal.SIGTERM)
        return self.ended(pod)

    def ended(self, pod: Pod) -> int | None:
        """Wait for the end of one that was told to end, killing it after its grace period; its exit code."""
        try:
            wait_until(lambda: self._group.exit_code(pod.name) is not None, pod.grace, f"the end of {pod.name}")
        except TestbedError:
            self._group.stop(pod.name, grace=0)
        return self._group.exit_code(pod.name)

    def restart(self, pod: Pod) -> None:
        """End the container and start it again in its pod: with the same volumes."""
        self.terminate(pod)
        self._group.start(pod.name, self._inside(pod, pod.container["args"]), pod.env, cwd=ROOT)
        self.ready(pod)

    def running(self, pod: Pod) -> bool:
        return self._group.exit_code(pod.name) is None

    def log(self, pod: Pod) -> str:
        """What it has said so far."""
        path = self._group.log(pod.name)
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self, lines: int = 30) -> str:
        """The last that each has said."""
        return "\n".join(f"--- {pod.name}\n{self._group.log_tail(pod.name, lines)}" for pod in self.pods)

    def close(self) -> None:
        """End everything."""
        self._group.close()

    # --- what the kubelet prepares ---

    def _volumes(self, folder: Path, spec: Object, container: Object) -> dict[str, str]:
        given = {volume["name"]: volume for volume in spec.get("volumes", [])}
        paths = {}
        for mount in container.get("volumeMounts", []):
            place = folder / str(mount["name"])
            place.mkdir()
            volume = given[mount["name"]]
            if secret := volume.get("secret"):
                data = self._read("secrets", secret["secretName"])
                for item in secret["items"]:
                    (place / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
            elif not mount.get("readOnly"):
                place.chmod(0o777)
            paths[str(mount["mountPath"])] = str(place)
        return paths

    def _environment(self, pod: Pod, container: Object) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= self._read("configmaps", source["configMapRef"]["name"])
        for entry in container.get("env", []):
            found[entry["name"]] = self._value(entry, found)
        numbers = {str(port["containerPort"]): str(pod.ports[port["name"]]) for port in container.get("ports", [])}
        if "GITOPS_METRICS_PORT" in found:
            found["GITOPS_METRICS_HOST"] = "0.0.0.0"
        for name, value in found.items():
            if value == "0.0.0.0":
                found[name] = "127.0.0.1"
            else:
                found[name] = numbers.get(value, value) if name.endswith("_PORT") else self._outside(pod, value)
        path = "/usr/local/bin:/usr/bin:/bin"
        return {"PATH": f"{BIN}:{path}", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **found}

    def _value(self, entry: Object, before: Mapping[str, str]) -> str:
        if "value" in entry:
            return re.sub(r"\$\((\w+)\)", lambda name: before.get(name[1], name[0]), str(entry["value"]))
        source = entry["valueFrom"]
        if ref := source.get("secretKeyRef"):
            return base64.b64decode(self._read("secrets", ref["name"])[ref["key"]]).decode()
        assert source["fieldRef"]["fieldPath"] == "metadata.namespace", source
        return self._namespace

    def _account(self, folder: Path, spec: Object, pod: Pod) -> dict[str, str]:
        """The ServiceAccount's credentials, as files where the root is the pod's own, else as a kubeconfig."""
        if spec.get("automountServiceAccountToken") is False:
            return {}
        token = self._cluster.service_account_token(self._namespace, spec["serviceAccountName"])
        server, ca = self._cluster.server, self._cluster.ca_file
        if not pod.confined:
            config = folder / "kubeconfig"
            config.touch(mode=0o600)
            config.write_text(kubeconfig(server, ca, {"token": token}, self._namespace))
            return {"GITOPS_KUBECONFIG": str(config)}
        place = folder / "serviceaccount"
        place.mkdir()
        for name, text in {"token": token, "ca.crt": ca.read_text(), "namespace": self._namespace}.items():
            (place / name).write_text(text)
        pod.paths[SERVICE_ACCOUNT] = str(place)
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self._cluster.port)}

    def _read(self, plural: str, name: str) -> dict[str, str]:
        found = self._cluster.api.request("GET", f"/api/v1/namespaces/{self._namespace}/{plural}/{name}")
        return dict(found.get("data") or {})

    def _inside(self, pod: Pod, command: Sequence[str]) -> list[str | Path]:
        argv = [str(BIN / command[0]) if (BIN / command[0]).exists() else command[0], *command[1:]]
        if not pod.confined:
            return list(argv)
        root = self._group.directory / pod.name / "root"
        mounts = pod.container.get("volumeMounts", [])
        writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
        return confine.wrap(argv, root, pod.paths, [ROOT, Path(sys.prefix), Path(sys.base_prefix)], writable)

    def _outside(self, pod: Pod, value: str) -> str:
        if pod.confined:
            return value
        # All at once: what stands for /data may itself lie below /tmp.
        inside = "|".join(re.escape(path) for path in sorted(pod.paths, key=len, reverse=True))
        return re.sub(rf"(?<![\w/])({inside})(?=/|$)", lambda found: pod.paths[found[1]], value)


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _http(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return 200 <= int(answer.status) < 400
    except (urllib.error.URLError, OSError):
        return False


def can_confine() -> bool:
    """Whether this user may give a process a root of its own and another user's rights."""
    return os.geteuid() == 0 and confine.works()
