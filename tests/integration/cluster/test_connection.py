"""Reaching a real API server from inside a pod, and through a proxy."""

import socket
import threading
from pathlib import Path

import pytest

from gitops.cluster import ClusterClient, Connection
from gitops.errors import ClusterError
from gitops.model.credentials import Cluster
from gitops.model.objects import ObjectKey
from testbed.controlplane import ControlPlane

pytestmark = pytest.mark.cluster
DEFAULT_NAMESPACE = ObjectKey("", "Namespace", "", "default")


def test_a_pod_s_files_are_enough_and_a_rotated_token_is_taken_up(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text("expired")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(control_plane.ca_file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(control_plane.port))
    client = ClusterClient(Connection.in_cluster())
    with pytest.raises(ClusterError, match="Unauthorized"):
        client.get(DEFAULT_NAMESPACE)

    token.write_text(control_plane.token)

    assert client.get(DEFAULT_NAMESPACE)["metadata"]["name"] == "default"


class Proxy:
    """An HTTP proxy that knows CONNECT, for one user."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            request = near.recv(65536)
            self.requests.append(request)
            if b"Proxy-Authorization: Basic bWU6cHc=\r\n" not in request:
                near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                near.close()
                continue
            host, port = request.split()[1].decode().split(":")
            far = socket.create_connection((host, int(port)))
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.close()


def test_a_proxy_is_used_with_its_own_password_and_does_not_see_ours(control_plane: ControlPlane) -> None:
    proxy = Proxy()

    def client(login: str) -> ClusterClient:
        config = {
            "bearerToken": control_plane.token,
            "tlsClientConfig": {"insecure": True},
            "proxyUrl": f"http://{login}127.0.0.1:{proxy.port}",
        }
        return ClusterClient(Connection.from_cluster(Cluster(name="c", server=control_plane.server, config=config)))

    assert client("me:pw@").get(DEFAULT_NAMESPACE)
    with pytest.raises(ClusterError, match="the proxy refused the connection with status 407") as caught:
        client("me:wrong@").get(DEFAULT_NAMESPACE)
    proxy.close()

    assert "wrong" not in str(caught.value)
    assert proxy.requests[0].startswith(f"CONNECT 127.0.0.1:{control_plane.port} HTTP/1.1".encode())
    assert control_plane.token.encode() not in b"".join(proxy.requests)
