"""No task waits for a receiver, and nothing that goes wrong with one reaches a task."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gitops.errors import GitOpsError
from gitops.observe.notify import NotifyConfig
from gitops.reconcile.notices import Notices


class Remembered:
    """A memory in memory."""

    def __init__(self) -> None:
        self.keys: set[tuple[str, str]] = set()

    def first(self, app_id: str, key: str) -> bool:
        new = (app_id, key) not in self.keys
        self.keys.add((app_id, key))
        return new

    def forget(self, app_id: str, key: str) -> None:
        self.keys.discard((app_id, key))


class Receiver(ThreadingHTTPServer):
    """Keeps who is told, and answers nobody before it is let to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.released = threading.Event()
        self.asked = threading.Semaphore(0)
        self.told = 0


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.asked.release()
        self.server.released.wait(8)
        self.server.told += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


def config(server: Receiver) -> NotifyConfig:
    return NotifyConfig.read({"service.webhook.receiver": f"url: http://127.0.0.1:{server.server_port}"}, {})


def synced(revision: str) -> dict[str, Any]:
    annotations = {"notifications.argoproj.io/subscribe.on-sync-succeeded.receiver": ""}
    state = {"phase": "Succeeded", "syncResult": {"revision": revision}}
    return {
        "metadata": {"name": "web", "namespace": "argocd", "annotations": annotations},
        "status": {"operationState": state},
    }


def test_telling_returns_before_the_receiver_answers(receiver):
    notices = Notices(lambda: config(receiver), Remembered())
    for revision in ("r1", "r2", "r2"):
        notices.tell(synced(revision))
    assert receiver.asked.acquire(timeout=5)
    assert receiver.told == 0, "it has not answered, and we are here"
    receiver.released.set()
    notices.close(timeout=10)
    assert receiver.told == 2, "each revision once"


def test_what_waits_is_bounded_and_what_is_given_up_is_said(receiver, caplog):
    notices = Notices(lambda: config(receiver), Remembered(), waiting=2)
    notices.tell(synced("r1"))
    assert receiver.asked.acquire(timeout=5)
    with caplog.at_level(logging.ERROR, "gitops.notify"):
        for revision in ("r2", "r3", "r4"):
            notices.tell(synced(revision))
    assert "given up" in caplog.text
    receiver.released.set()
    notices.close(timeout=10)
    assert receiver.told == 3


@pytest.mark.parametrize("error", [GitOpsError("argocd-notifications-cm: context is not YAML"), ConnectionError("x")])
def test_a_configuration_that_cannot_be_read_is_logged_and_no_more(error, caplog):
    def broken() -> NotifyConfig:
        raise error

    with caplog.at_level(logging.WARNING, "gitops.notify"):
        Notices(broken, Remembered()).tell(synced("r1"))
    assert "no notification" in caplog.text


def test_a_task_that_is_about_to_end_lets_what_waits_go_out(receiver):
    receiver.released.set()
    notices = Notices(lambda: config(receiver), Remembered())
    notices.tell(synced("r1"))
    notices.close(timeout=10)
    assert receiver.told == 1
