"""The services: webhook, Slack-compatible, e-mail; commit statuses are in a module of their own."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

import httpx

from gitops.observe.notify.outbound import TIMEOUT, Notification, NotificationError, request
from gitops.observe.notify.statuses import github, gitlab

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


def _webhook(name: str, config: Mapping[str, Any], note: Notification) -> None:
    part = (note.parts.get("webhook") or {}).get(name) or {}
    basic = config.get("basicAuth") or {}
    body = part.get("body")
    request(
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
        request(name, "POST", str(config["url"]), json=message)
        return
    api = str(config.get("apiURL") or "https://slack.com/api").rstrip("/")
    bearer = {"Authorization": f"Bearer {config['token']}"}
    answer = request(name, "POST", f"{api}/chat.postMessage", json=message, headers=bearer).json()
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
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    with server:
        if port != 465 and server.has_extn("starttls"):
            server.starttls(context=context)
        if config.get("username"):
            if port != 465 and not isinstance(server.sock, ssl.SSLSocket):
                raise NotificationError(f"Notification service {name} offers no encryption; the password is not sent")
            server.login(str(config["username"]), str(config["password"]))
        server.send_message(mail)


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
    "github": github,
    "gitlab": gitlab,
}
