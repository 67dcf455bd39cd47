"""A client of the shared control plane."""

import pytest

from gitops.cluster import ClusterClient, Connection
from testbed.controlplane import ControlPlane


@pytest.fixture
def client(control_plane: ControlPlane) -> ClusterClient:
    return ClusterClient(Connection.from_kubeconfig(control_plane.kubeconfig))
