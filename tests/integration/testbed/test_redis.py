"""The Valkey server of the testbed, and what tests can do to it."""

from contextlib import ExitStack

import pytest
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError

from testbed.processes import TestbedError
from testbed.redis import DATABASES, RedisServer


def test_a_test_starts_with_an_empty_database(redis_server: RedisServer, redis_url: str) -> None:
    with (
        redis_server.database() as another,
        Redis.from_url(redis_url) as client,
        Redis.from_url(another) as other,
    ):
        assert client.dbsize() == 0
        client.set("mine", 1)
        assert other.get("mine") is None


def test_it_never_drops_keys_to_make_room(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("persist", [False, True])
def test_a_restart_keeps_the_port_and_only_if_asked_the_data(persist: bool) -> None:
    with RedisServer(persist=persist) as server, Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.restart()
        assert client.get("key") == (b"value" if persist else None)


def test_a_stopped_server_refuses_connections() -> None:
    with RedisServer() as server:
        server.stop()
        with Redis.from_url(server.url, retry=None) as client, pytest.raises(ConnectionError):
            client.ping()
        server.start()
        assert server.answers()


def test_a_paused_server_does_not_answer_until_it_goes_on() -> None:
    with RedisServer() as server, Redis.from_url(server.url, socket_timeout=0.3, retry=None) as client:
        client.set("key", "value")
        server.pause()
        with pytest.raises(TimeoutError):
            client.get("key")
        server.resume()
        assert server.answers()
        assert client.get("key") == b"value"


def test_flushing() -> None:
    with (
        RedisServer() as server,
        server.database() as url,
        Redis.from_url(server.url) as one,
        Redis.from_url(url) as two,
    ):
        one.set("key", 1)
        two.set("key", 2)
        server.flush(0)
        assert one.dbsize() == 0
        assert two.dbsize() == 1
        server.flushall()
        assert two.dbsize() == 0


def test_a_database_is_given_to_one_at_a_time_and_empty_however_often() -> None:
    with RedisServer() as server, server.database() as kept, Redis.from_url(kept) as client:
        client.set("key", "of an engine that runs on")
        given = set()
        for _ in range(2 * DATABASES):
            with server.database() as url, Redis.from_url(url) as other:
                given.add(url)
                assert other.dbsize() == 0
                other.set("key", "left behind")
        assert client.get("key") == b"of an engine that runs on"
        assert len(given) == DATABASES - 2
        assert not given & {kept, server.url}


def test_more_than_there_are_is_said() -> None:
    with RedisServer() as server, ExitStack() as stack:
        for _ in range(DATABASES - 1):
            stack.enter_context(server.database())
        with pytest.raises(TestbedError, match="all of the 63 databases are in use"), server.database():
            pass
