"""Notifications as argocd-notifications has them: its ConfigMap, its Secret, its annotations, read as they are.

    config = NotifyConfig.read(config_map["data"], secret_data)
    Notifier(lambda: config, memory).process(application_object)

`memory` remembers what was sent (`Memory`), so that each revision is told once.
"""

from gitops.observe.notify.config import NotificationConfigError, NotifyConfig, Subscription
from gitops.observe.notify.expressions import ExpressionError, evaluate
from gitops.observe.notify.notifier import Memory, Notifier
from gitops.observe.notify.outbound import NotificationError
from gitops.observe.notify.templates import TemplateError, render

__all__ = [
    "ExpressionError",
    "Memory",
    "NotificationConfigError",
    "NotificationError",
    "Notifier",
    "NotifyConfig",
    "Subscription",
    "TemplateError",
    "evaluate",
    "render",
]
