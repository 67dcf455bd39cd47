"""Destinations to clusters (application semantics, sections 1 and 10)."""

import base64

import pytest

from gitops.cluster import ClusterClient, Clusters, Connection
from gitops.errors import InvalidSpecError
from gitops.model.application import Destination
from gitops.model.objects import Object

CONTROL = ClusterClient(Connection("https://control.example"))


def secret(name: str, /, **values: str) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": name}, "data": data}


PROD = secret("prod", name="prod", server="https://prod.example/", config='{"bearerToken": "a"}', namespaces="a, b")


def test_the_control_cluster_needs_no_secret() -> None:
    clusters = Clusters(CONTROL)

    assert clusters.client(Destination(name="in-cluster")) is CONTROL
    assert clusters.client(Destination(server="https://kubernetes.default.svc")) is CONTROL
    assert [cluster.name for cluster in clusters.all()] == ["in-cluster"]


def test_a_cluster_is_found_by_server_or_by_name_and_keeps_its_client() -> None:
    clusters = Clusters(CONTROL, [PROD])

    client = clusters.client(Destination(name="prod"))

    assert clusters.client(Destination(server="https://prod.example/")) is client
    assert client.connection.server == "https://prod.example"
    assert client.connection.namespaces == ("a", "b")
    assert client.connection.cluster_resources is False


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        (Destination(), "neither name nor server"),
        (Destination(name="prod", server="https://prod.example"), "can't have both name and server"),
        (Destination(name="other"), "name other: no such cluster"),
        (Destination(server="https://other.example"), "server https://other.example: no such cluster"),
        (Destination(name="twice"), "means several clusters"),
    ],
)
def test_a_destination_that_means_no_cluster_is_explained(destination: Destination, sentence: str) -> None:
    twins = [secret(f"s{n}", name="twice", server=f"https://{n}.example") for n in range(2)]
    clusters = Clusters(CONTROL, [PROD, *twins])

    with pytest.raises(InvalidSpecError, match=sentence):
        clusters.find(destination)


def test_a_changed_secret_gives_a_new_client_and_an_unchanged_one_the_same() -> None:
    stays = secret("stays", name="stays", server="https://stays.example")
    clusters = Clusters(CONTROL, [PROD, stays])
    before = [clusters.client(Destination(name=name)) for name in ("prod", "stays")]

    clusters.update([secret("prod", name="prod", server="https://prod.example", config='{"bearerToken": "b"}'), stays])

    after = [clusters.client(Destination(name=name)) for name in ("prod", "stays")]
    assert after[0] is not before[0]
    assert after[0].connection.auth.header() == "Bearer b"
    assert after[1] is before[1]


@pytest.mark.parametrize(
    "config",
    ["{", "[]", '{"tlsClientConfig": 1}', '{"tlsClientConfig": {"insecure": true, "caData": "YQ=="}}'],
)
def test_a_broken_secret_hurts_only_those_who_mean_it(config: str) -> None:
    clusters = Clusters(CONTROL, [PROD, secret("bad", name="bad", server="https://bad.example", config=config)])

    assert clusters.client(Destination(name="prod"))
    assert list(clusters.broken) == ["bad"]
    for destination in (Destination(name="bad"), Destination(server="https://bad.example")):
        with pytest.raises(InvalidSpecError, match="cluster Secret bad"):
            clusters.client(destination)


def test_acting_as_another_user_shares_the_connections() -> None:
    clusters = Clusters(CONTROL)

    acting = clusters.client(Destination(name="in-cluster"), user="system:serviceaccount:team:deployer")

    assert acting.transport is CONTROL.transport
    assert acting.connection.impersonate_user == "system:serviceaccount:team:deployer"
    assert CONTROL.connection.impersonate_user == ""
