"""What the Kubernetes API conventions and common usage say, as tables: the knowledge of the generic rule.

Sources: the Kubernetes API conventions ("Typical status properties", "Spec and Status"), kstatus (Reconciling and
Stalled), Knative's and Cluster API's condition contracts (`severity`), GEP-1364 (Accepted, Programmed,
ResolvedRefs) and GEP-713 (ancestors).

The words that reasons, phases and messages are made of are in `vocabulary`.
"""

from __future__ import annotations

from gitops.model.health import DEGRADED, HEALTHY, MISSING, PROGRESSING, SUSPENDED, UNKNOWN


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words of a reason that end what a condition of "under way" (Progressing, Running) began.
DONE = _words("available success successful successfully succeeded complete completed done finished expected idle")

#: Good words with which a kind that runs once and ends tells of a step on the way, not of its end.
NOT_OVER = _words("running accepted prepared active started")

#: Conditions that speak for the whole object. True: healthy. False: as the reason says. Unknown: in progress.
WHOLE = _words(
    """Ready Available Healthy Succeeded Successful Complete Completed Synced Accepted Programmed Established Installed
    Reconciled Deployed Compliant Applied ResolvedRefs Admitted Attached WellFormed"""
)

#: A type with one of these words speaks for the whole as well (InstallSucceeded, SuccessfullyReconciled, LicenseValid).
WHOLE_WORDS = _words("success successful successfully succeeded valid")

#: Of these, the ones that sum up all others: True means that no other normal condition matters.
SUMMARY = _words("Ready Succeeded Successful Complete Completed")

#: A type that ends in one of these tells of a part as WHOLE does of the object (PredictorReady, RemoteSynced). Any
#: other normal condition that is True is a stage passed on the way (Launched, Registered): no sign of its end.
PART_ENDINGS = _words(
    """ready available healthy succeeded successful complete completed synced synchronized accepted programmed
    established installed reconciled deployed compliant applied resolved valid date operation promoted bound active
    finished provisioned initialized created admitted ok passed formed provided verified validated satisfied enforced
    serving connected reachable imported exported published issued joined configured balanced"""
)

#: A condition whose type has one of these words is under way for sure, even beside a summary that is True. Any other
#: word in `-ing` may be the thing's everyday work (GitPolling, Accepting).
UNDER_WAY = _words(
    """progressing reconciling updating upgrading scaling rolling deleting terminating creating provisioning installing
    deploying issuing restoring migrating resizing restarting rebalancing initializing bootstrapping syncing
    synchronizing executing progress"""
)

#: Conditions that tell of an end, well or not: with a reason that is a failure they are one (K8up: Completed: Failed).
ENDED = _words("Complete Completed Finished Done Terminated")

#: Condition types whose name alone would be misread; what the type says where it is True (None: says nothing).
#: `Running` is the Ansible operators' (and Jobs') "a run is under way", with the reason `Successful` after it.
CONDITION_TYPES: dict[str, str | None] = {
    "Running": PROGRESSING,
    "Progressing": PROGRESSING,
    "ScalingUp": PROGRESSING,
    "ScalingDown": PROGRESSING,
    "Reconciling": PROGRESSING,
    "RollingUpdate": PROGRESSING,
    "Terminating": PROGRESSING,
    "Waiting": SUSPENDED,
    "ContinuousArchiving": HEALTHY,
    "LastAsyncOperation": HEALTHY,
    "AsyncOperation": HEALTHY,
    "Initialized": HEALTHY,
    "Upgradeable": None,
    "LiveMigratable": None,
    "StorageLiveMigratable": None,
    "AgentConnected": None,
    "ScalingActive": None,
    "ScalingLimited": None,
    "AbleToScale": None,
    "Scheduled": HEALTHY,
    "Provisioned": HEALTHY,
    "Created": HEALTHY,
    "Restored": HEALTHY,
    "Fallback": DEGRADED,
    "PartiallyInvalid": DEGRADED,
    "OverlappingFilters": DEGRADED,
    "ACK.Recoverable": DEGRADED,
    "ACK.Advisory": None,
    "ACK.Adopted": None,
    "InUse": None,
    "Drainable": None,
    "Terminable": None,
    "Deprecated": None,
}

#: Reasons that mean something other than their words do.
#: ProgressingWithRetry: Flux, "the last attempt failed"; the condition Ready tells about it.
#: NoMatching...: Gateway API, "the route is attached to nothing".
#: NewReplicaSetAvailable: Deployments and Rollouts, "the roll-out is over".
REASONS: dict[str, str | None] = {
    "ProgressingWithRetry": HEALTHY,
    "NewReplicaSetAvailable": HEALTHY,
    "NoMatchingListenerHostname": DEGRADED,
    "NoMatchingParent": DEGRADED,
    "NotReady": None,
    "Unready": None,
    "MinimumReplicasUnavailable": PROGRESSING,
    "DependencyNotReady": PROGRESSING,
    "Running": PROGRESSING,
    "Unknown": PROGRESSING,
    "Pending": PROGRESSING,
    "Stopped": SUSPENDED,
}

#: Reasons with which False is as it was meant: the condition is about something that is not asked for.
AS_MEANT = _words("AsExpected NotRequired NotNeeded NotApplicable NotConfigured NotUsed NotRequested FeatureDisabled")

#: What False says for conditions where the reason does not matter.
#: Programmed: Gateway API, "not yet in the data plane".
FALSE_SAYS: dict[str, str] = {"Programmed": PROGRESSING, "Healthy": DEGRADED}

#: A reason of "under way" with a message that begins so has failed and is tried again.
FAILED_BEGINNINGS = ("error", "failed", "failure", "cannot", "could not", "unable", "invalid", "fatal", "rejected")

#: Cluster API: the severity of a condition that is False. Knative: `Info` has no part in the whole.
SEVERITIES: dict[str, str] = {"Error": DEGRADED, "Warning": PROGRESSING, "Info": PROGRESSING}

#: Fields of status (in lower case) that hold a word about the whole object.
STATE_FIELDS = _words(
    """phase state status currentstate currentphase currentstatus health healthstatus overallstatus overallstate
    clusterstatus clusterstate clusterphase lifecyclestate provisioningstate operationalstate reconcilestatus
    reconciliationstate printablestatus compliant compliance condition result jobstatus deploymentstatus deploymentstate
    deploystatus statename validation verdict
    installstatus installationstatus installationphase syncstatus syncstate stage
    robustness"""
)

#: Other fields whose name ends so hold such a word as well (PostgresClusterStatus, preDeploymentStatus) ...
STATE_ENDINGS = ("status", "state", "phase", "health", "compliance")

#: Objects whose name ends so are looked into as well (ansibleJobResult.status).
STATE_OBJECT_ENDINGS = ("result",)

#: ... unless it begins so: that is history, or someone else's state.
NOT_STATE_BEGINNINGS = ("last", "previous", "prev", "old", "next", "desired", "target", "power", "spec", "backup")

#: Objects inside status that hold the state one level down (jobStatus.state, applicationState.state).
STATE_OBJECTS = (
    "status",
    "state",
    "statuses",
    "result",
    "reconciliation",
    "synchronization",
    "health",
    "lastoperation",
)

#: Words of these fields that have a meaning of their own there.
STATES: dict[str, str] = {
    "unknown": UNKNOWN,
    "notfound": MISSING,
    "missing": MISSING,
    "absent": MISSING,
    "new": PROGRESSING,
    "none": PROGRESSING,
    "initialized": HEALTHY,
    "scheduled": PROGRESSING,
    "started": PROGRESSING,
    "launched": PROGRESSING,
    "accepted": HEALTHY,
    "configured": HEALTHY,
    "deployed": HEALTHY,
    "created": HEALTHY,
    "up": HEALTHY,
    "deleted": PROGRESSING,
    "error": DEGRADED,
    "off": SUSPENDED,
    "terminated": DEGRADED,
    "inprogress": PROGRESSING,
    "restored": HEALTHY,
    "targetready": PROGRESSING,
    "true": HEALTHY,
    "false": PROGRESSING,
}

#: Words of these fields that say nothing.
NO_STATES = _words("na notapplicable")

#: Kinds that run once and end (by the end of the kind's name): for them `Running` is under way, not healthy.
RUNS_TO_COMPLETION = (
    "Run", "Job", "Task", "Workflow", "Backup", "Restore", "Migration", "Operation", "Request", "Experiment", "Test",
    "Action", "Snapshot", "Import", "Export", "Build", "Copy", "Upgrade", "Promotion", "Maintenance", "Upload",
    "Download", "Trial", "Command", "Execution", "Benchmark", "Scan",
)  # fmt: skip

#: Truth values of status: field -> (what True says, what False says).
FLAGS: dict[str, tuple[str | None, str | None]] = {
    "ready": (HEALTHY, PROGRESSING),
    "isReady": (HEALTHY, PROGRESSING),
    "readyz": (HEALTHY, PROGRESSING),
    "healthz": (HEALTHY, DEGRADED),
    "livez": (HEALTHY, DEGRADED),
    "readyToUse": (HEALTHY, PROGRESSING),
    "available": (HEALTHY, PROGRESSING),
    "healthy": (HEALTHY, DEGRADED),
    "isHealthy": (HEALTHY, DEGRADED),
    "valid": (HEALTHY, DEGRADED),
    "isValid": (HEALTHY, DEGRADED),
    "success": (HEALTHY, DEGRADED),
    "connected": (HEALTHY, DEGRADED),
    "reachable": (HEALTHY, DEGRADED),
    "succeeded": (HEALTHY, None),
    "running": (HEALTHY, None),
    "active": (HEALTHY, None),
    "finished": (HEALTHY, None),
    "synced": (HEALTHY, PROGRESSING),
    "applied": (HEALTHY, PROGRESSING),
    "created": (HEALTHY, PROGRESSING),
    "deployed": (HEALTHY, PROGRESSING),
    "reconciled": (HEALTHY, PROGRESSING),
    "registered": (HEALTHY, PROGRESSING),
    "initialized": (HEALTHY, PROGRESSING),
    "installed": (HEALTHY, PROGRESSING),
    "provisioned": (HEALTHY, PROGRESSING),
    "completed": (HEALTHY, PROGRESSING),
    "done": (HEALTHY, PROGRESSING),
    "failed": (DEGRADED, None),
    "degraded": (DEGRADED, None),
    "stalled": (DEGRADED, None),
    "paused": (SUSPENDED, None),
    "suspended": (SUSPENDED, None),
    "hibernating": (SUSPENDED, None),
}

#: Of these, the ones that are read in objects about a part as well (health.healthy, summary.ready).
PART_FLAGS = _words("ready isReady available healthy isHealthy valid connected reachable")

#: A field of status whose name (in lower case) ends so holds what went wrong; anything but an empty value is a failure.
#: failureReason and failureMessage: Cluster API, "terminal, and likely to need a person".
FAILURE_ENDINGS = (
    "error", "errors", "errormessage", "errormsg", "errmsg", "errordescription", "errorreason", "failurereason",
    "failuremessage", "failures", "problems",
)  # fmt: skip

#: Values with which such a field says that nothing went wrong.
NO_FAILURE = _words("none no nil null false ok success - n/a 0 noerror")

#: Fields about the last attempt; asked only where nothing else speaks.
LAST_ERRORS = ("lastError", "lastErrors", "lastErrorMessage")

#: Fields of spec with which a person stops the controller; True means Suspended.
SUSPEND_FIELDS = ("suspend", "suspended", "paused", "pause", "hibernate")

#: Annotations with which a person stops the controller, without the domain before them: name -> value.
#: Cluster API, Crossplane, ECK, Strimzi, Flux, CloudNativePG.
PAUSE_MARKS: dict[str, str] = {
    "paused": "true",
    "pause": "true",
    "suspend": "true",
    "pause-orchestration": "true",
    "pause-reconciliation": "true",
    "reconcile": "disabled",
    "reconciliationLoop": "disabled",
    "hibernation": "on",
    "managed": "false",
}

#: Where status tells the generation that its writer saw.
OBSERVED_FIELDS = (
    "observedGeneration",
    "lastObservedGeneration",
    "lastEvaluatedGeneration",
    "schedulerObservedGeneration",
)

#: Counts in status: (how many there are to be, how many are well). The first number is also looked up in spec.
COUNTS: tuple[tuple[str, str], ...] = (
    ("replicas", "readyReplicas"),
    ("replicas", "availableReplicas"),
    ("replicas", "updatedReplicas"),
    ("members", "readyMembers"),
    ("instances", "readyInstances"),
    ("nodes", "readyNodes"),
    ("size", "ready"),
    ("desiredReplicas", "readyReplicas"),
    ("desiredNumberScheduled", "numberReady"),
    ("desired", "succeeded"),
    ("expectedNodes", "availableNodes"),
    ("matchedPods", "readyPods"),
    ("matchedPods", "updatedPods"),
    ("pods", "readyPods"),
    ("desiredReplicas", "availableReplicas"),
    ("desiredWorkerReplicas", "readyWorkerReplicas"),
    ("desiredReady", "ready"),
    ("desired", "ready"),
    ("total", "ready"),
    ("count", "availableNodes"),
    ("machineCount", "readyMachineCount"),
    ("desiredNodesRealized", "currentNodesRealized"),
)

#: A count whose name is one of these and the name of another (readyStacks of stacks) is such a pair as well.
COUNT_BEGINNINGS = ("ready", "available")

#: A text such as `2/3` in a field with one of these words in its name (componentsReady, statusReplicas) is a count too.
COUNT_WORDS = ("ready", "replicas", "available", "healthy")

#: Objects one level down in status that hold conditions of their own and speak for the whole.
CONDITION_HOLDERS = ("conditionedStatus", "status", "resourceStatus", "v1beta2")

#: Fields of the items of other lists in status that hold a word about the item (environments[].phase).
ITEM_STATE_FIELDS = ("phase", "state", "status", "health", "healthStatus")

#: Lists with these in their name tell of the past, or of choices, not of what is.
NOT_ITEM_LISTS = (
    "history",
    "condition",
    "event",
    "log",
    "operation",
    "step",
    "message",
    "result",
    "version",
    "warning",
    "transition",
)

#: Lists in status whose items have conditions (or a state) of their own; the worst of the current ones counts.
CONDITION_LISTS = ("listeners", "parents", "ancestors", "ingress")
