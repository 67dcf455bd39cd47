"""Health: how well is a live object? Pure functions of the object alone; nothing here speaks to a cluster.

`assess` answers for one object, by the first of these that knows: pending deletion, a user-written Lua check
(`LuaChecks`), the rules of Kubernetes' own kinds, a specific rule of that kind (`rules/`), the generic rule that reads
what the API conventions say (`generic`, with its table in `facts`). `application_health` makes one word of many.
"""

from gitops.health.application import ApplicationHealth, LiveResource, application_health
from gitops.health.assess import assess
from gitops.health.lua import LuaChecks

__all__ = ["ApplicationHealth", "LiveResource", "LuaChecks", "application_health", "assess"]
