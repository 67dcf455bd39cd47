"""The ear for the control namespace's configuration: the applications that a change concerns are looked at anew."""

from __future__ import annotations

import logging
import random

import orjson

from gitops.cluster import Event
from gitops.reconcile.changes import Parts, changed, concerned, parts
from gitops.reconcile.control import CONFIG_MAPS, Control, ControlConfig
from gitops.state import State

logger = logging.getLogger("gitops.beat")

#: Applications a second that one change sends for: a setting that concerns all of them is no stampede.
PACE = 20.0


class ConfigurationEars:
    """Tells workers to read the configuration anew, and gives the concerned Applications a due time at once.

    What was looked at rests in Redis, in digests, so that a change between two leaders is noticed too.
    """

    def __init__(self, state: State, control: Control) -> None:
        self._state, self._control = state, control
        self._changed = True
        self._config: ControlConfig | None = None

    @property
    def config(self) -> ControlConfig:
        """The configuration as last looked at. Raises ClusterError where it was never read and cannot be."""
        if self._config is None:
            self._config = self._control.get()
        return self._config

    def on_event(self, event: Event) -> bool:
        """One event of the watches of AppProjects, Secrets and ConfigMaps. False where it means nothing to us."""
        if event.type not in {"ADDED", "MODIFIED", "DELETED"}:
            return False
        if event.key.kind == "ConfigMap" and event.key.name not in CONFIG_MAPS:
            return False
        self._state.redis.incr(self._state.keys.config)
        self._changed = True
        return True

    def tick(self, now: float) -> None:
        """Look at what changed since the last tick; `now` in unix seconds."""
        if not self._changed:
            return
        self._changed = False
        try:
            self._look(now)
        except Exception:
            self._changed = True
            raise

    def _look(self, now: float) -> None:
        self._control.ask_again()
        config = self._config = self._control.get()
        before, present = self._known(), parts(config)
        if present == before:
            return
        # On the first look of all nothing has been compared with anything else.
        names = changed(before, present) if before is not None else set()
        if names:
            self._look_anew(names, config, now)
        key = self._state.keys.config_parts
        self._state.redis.set(key, self._state.seal.seal(key, orjson.dumps(present)))

    def _known(self) -> Parts | None:
        key = self._state.keys.config_parts
        sealed = self._state.redis.get(key)
        data = self._state.seal.open(key, sealed if isinstance(sealed, bytes) else None)
        return orjson.loads(data) if data else None

    def _look_anew(self, names: set[str], config: ControlConfig, now: float) -> None:
        found = concerned(names, config, (obj for _, obj in self._state.apps.each()))
        for url in {url for urls in found.values() for url in urls}:
            self._state.refs.expire(url)
        order = list(found)
        random.shuffle(order)
        self._state.due.stale({app: now + place / PACE for place, app in enumerate(order)})
        logger.info("the configuration changed: %d applications are looked at anew", len(order))
