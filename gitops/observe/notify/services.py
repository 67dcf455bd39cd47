"""How a notification leaves: webhook, Slack-compatible, e-mail, commit status of GitHub and GitLab.

Every request has a timeout, follows no redirect, and says in its error what failed, never what was sent.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from gitops.errors import GitOpsError

_TIMEOUT = 10.0


class NotificationError(GitOpsError):
    """A notification could not be sent; the text names the service and the answer's status."""

    transient = True


@dataclass(frozen=True, slots=True)
class Notification:
    """A rendered template and whom it is for."""

    recipient: str
    message: str
    #: The template's parts for single services, rendered: `email`, `slack`, `webhook`, `status`.
    parts: Mapping[str, Any]
    #: The repository and commit that it speaks of, for commit statuses.
    repo_url: str
    revision: str


Sender = Callable[[str, Mapping[str, Any], Notification], None]


def send(name: str, kind: str, config: Mapping[str, Any], notification: Notification) -> None:
    """Send by the service called `name`, of `kind`.

    Raises NotificationError where it cannot be sent, or the kind is not known.
    """
    sender = SENDERS.get(kind)
    if sender is None:
        known = ", ".join(sorted(SENDERS))
        raise NotificationError(f"Notification service {name} is of kind {kind}, which is not one of {known}")
    try:
        sender(name, config, notification)
    except httpx.HTTPError as error:
        raise NotificationError(f"Notification service {name} cannot be reached: {type(error).__name__}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotificationError(f"Notification service {name} refuses: {type(error).__name__}") from error
    except KeyError as error:
        raise NotificationError(f"Notification service {name} lacks the setting {error.args[0]}") from error


def _request(name: str, method: str, url: str, *, verify: bool = True, **given: Any) -> httpx.Response:
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotificationError(f"Notification service {name} has no http(s) URL")
    with httpx.Client(timeout=_TIMEOUT, verify=verify, follow_redirects=False) as client:
        answer = client.request(method, url, **given)
    if not answer.is_success:
        raise NotificationError(f"Notification service {name} answers {answer.status_code}")
    return answer


def _webhook(name: str, config: Mapping[str, Any], note: Notification) -> None:
    part = (note.parts.get("webhook") or {}).get(name) or {}
    basic = config.get("basicAuth") or {}
    body = part.get("body")
    _request(
        name,
        str(part.get("method") or ("POST" if body or not part else "GET")),
        str(config["url"]).rstrip("/") + (("/" + str(part["path"]).lstrip("/")) if part.get("path") else ""),
        headers={str(header["name"]): str(header["value"]) for header in config.get("headers") or ()},
        auth=(basic["username"], basic["password"]) if basic else None,
        content=body if body is not None else None,
        json={"message": note.message} if body is None and not part else None,
        verify=not config.get("insecureSkipVerify"),
    )


def _slack(name: str, config: Mapping[str, Any], note: Notification) -> None:
    """`token` and a channel as with Slack; or `url`, an incoming webhook as Mattermost and Rocket.Chat have it."""
    part = note.parts.get("slack") or {}
    message: dict[str, Any] = {"text": note.message}
    for key in ("attachments", "blocks"):
        if part.get(key):
            message[key] = _json(name, key, part[key])
    if config.get("username"):
        message["username"] = config["username"]
    if note.recipient:
        message["channel"] = note.recipient
    if config.get("url"):
        _request(name, "POST", str(config["url"]), json=message)
        return
    api = str(config.get("apiURL") or "https://slack.com/api").rstrip("/")
    bearer = {"Authorization": f"Bearer {config['token']}"}
    answer = _request(name, "POST", f"{api}/chat.postMessage", json=message, headers=bearer).json()
    if not answer.get("ok"):
        raise NotificationError(f"Notification service {name} refuses: {str(answer.get('error'))[:80]}")


def _email(name: str, config: Mapping[str, Any], note: Notification) -> None:
    part = note.parts.get("email") or {}
    mail = EmailMessage()
    mail["From"] = str(config["from"])
    mail["To"] = note.recipient
    # A subject with a line break would be a header of its own.
    mail["Subject"] = " ".join(str(part.get("subject") or note.message.splitlines()[0]).split())[:200]
    mail.set_content(str(part.get("body") or note.message), subtype="html" if config.get("html") else "plain")
    host, port = str(config["host"]), int(config.get("port") or 587)
    context = ssl.create_default_context()
    if config.get("insecure_skip_verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if port == 465:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=_TIMEOUT)
    with server:
        if port != 465 and server.has_extn("starttls"):
            server.starttls(context=context)
        if config.get("username"):
            if port != 465 and not isinstance(server.sock, ssl.SSLSocket):
                raise NotificationError(f"Notification service {name} offers no encryption; the password is not sent")
            server.login(str(config["username"]), str(config["password"]))
        server.send_message(mail)


def _github(name: str, config: Mapping[str, Any], note: Notification) -> None:
    status = _status(name, note)
    if status is None:
        return
    api = str(config.get("enterpriseBaseURL") or config.get("url") or "https://api.github.com").rstrip("/")
    _request(
        name,
        "POST",
        f"{api}/repos/{_repository(note.repo_url)}/statuses/{quote(note.revision, safe='')}",
        headers={"Authorization": f"Bearer {config['token']}", "Accept": "application/vnd.github+json"},
        json={
            "state": status["state"],
            "context": status.get("label") or "gitops",
            "description": note.message[:140],
            **({"target_url": status["targetURL"]} if status.get("targetURL") else {}),
        },
    )


def _gitlab(name: str, config: Mapping[str, Any], note: Notification) -> None:
    status = _status(name, note)
    if status is None:
        return
    api = str(config.get("url") or "https://gitlab.com").rstrip("/")
    project = quote(_repository(note.repo_url), safe="")
    states = {"failure": "failed", "error": "failed"}
    _request(
        name,
        "POST",
        f"{api}/api/v4/projects/{project}/statuses/{quote(note.revision, safe='')}",
        headers={"PRIVATE-TOKEN": str(config["token"])},
        json={
            "state": states.get(str(status["state"]), status["state"]),
            "name": status.get("label") or "gitops",
            "description": note.message[:255],
            **({"target_url": status["targetURL"]} if status.get("targetURL") else {}),
        },
    )


def _status(name: str, note: Notification) -> Mapping[str, Any] | None:
    """The template's commit status, `github.status` as Argo CD has it or ours; None where there is nothing to say."""
    part = (note.parts.get("github") or {}).get("status") or note.parts.get("status")
    if not part:
        raise NotificationError(f"Notification service {name} needs a template with a status")
    return part if note.revision else None


def _repository(url: str) -> str:
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return path.strip("/").removesuffix(".git")


def _json(name: str, key: str, text: Any) -> Any:
    import orjson

    try:
        return orjson.loads(text) if isinstance(text, str) else text
    except orjson.JSONDecodeError as error:
        raise NotificationError(f"Notification service {name}: the template's {key} is not JSON") from error


SENDERS: dict[str, Sender] = {
    "webhook": _webhook,
    "slack": _slack,
    "mattermost": _slack,
    "rocketchat": _slack,
    "email": _email,
    "github": _github,
    "gitlab": _gitlab,
}
