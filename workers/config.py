"""Celery's settings, each derived from ours (specs: celery-at-scale section 1.1 has the reasons)."""

from __future__ import annotations

from typing import Any

from kombu.entity import Queue

from gitops.settings import Settings
from gitops.state.queue import QUEUES


def verified(url: str) -> str:
    """The URL with what Celery wants to be told: a TLS server's certificate is verified, unless the URL says else."""
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def celery_config(settings: Settings) -> dict[str, Any]:
    """The configuration of the Celery application."""
    url = verified(settings.redis_url.get_secret_value())
    transport = {
        "visibility_timeout": settings.visibility_timeout,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "global_keyprefix": settings.redis_prefix,
        "queue_order_strategy": "priority",
        "priority_steps": [0],
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
    return {
        "broker_url": url,
        "broker_transport_options": transport,
        "broker_connection_retry_on_startup": True,
        "broker_pool_acquire_timeout": 30,
        "result_backend": url,
        "result_backend_transport_options": {"global_keyprefix": settings.redis_prefix},
        "visibility_timeout": settings.visibility_timeout,
        "result_expires": 3600,
        "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
        "task_default_queue": "fetch",
        "task_create_missing_queues": False,
        "task_routes": {
            "gitops.sync": {"queue": "apply-urgent"},
            "gitops.refresh": {"queue": "fetch-urgent"},
            "gitops.fetch": {"queue": "fetch"},
            "gitops.diff": {"queue": "diff"},
            "gitops.apply": {"queue": "apply"},
            "gitops.generate": {"queue": "generate"},
        },
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "task_soft_time_limit": settings.soft_time_limit,
        "task_time_limit": settings.hard_time_limit,
        "task_send_sent_event": True,
        "worker_send_task_events": settings.task_events,
        "worker_consumer": "workers.consumer:Consumer",
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": settings.concurrency,
        "worker_max_memory_per_child": settings.child_memory_limit_kib,
        "worker_max_tasks_per_child": settings.child_max_tasks,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_soft_shutdown_timeout": settings.soft_shutdown_timeout,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": True,
        "timezone": "UTC",
        "enable_utc": True,
    }
