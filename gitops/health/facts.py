"""What the Kubernetes API conventions and common usage say, as tables: the knowledge of the generic rule.

Sources: the Kubernetes API conventions ("Typical status properties", "Spec and Status"), kstatus (Reconciling and
Stalled), Knative's and Cluster API's condition contracts (`severity`), GEP-1364 (Accepted, Programmed,
ResolvedRefs) and GEP-713 (ancestors).

To teach the engine a word, add it to one row here. Words are matched without regard to case, in CamelCase, snake_case
and plain text alike: `ReconcileError`, `reconcile_error` and `Reconcile error` are the same three words.
"""

from __future__ import annotations

from gitops.model.health import DEGRADED, HEALTHY, MISSING, PROGRESSING, SUSPENDED, UNKNOWN


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What several words mean together; asked before single words, in this order.
PHRASES: dict[str, str] = {
    # Settled refusals that begin like a "not yet".
    "not found": DEGRADED,
    "not exist": DEGRADED,
    "not exists": DEGRADED,
    "not allowed": DEGRADED,
    "not permitted": DEGRADED,
    "not supported": DEGRADED,
    "not authorized": DEGRADED,
    "not accepted": DEGRADED,
    "not valid": DEGRADED,
    "not unique": DEGRADED,
    "not compliant": DEGRADED,
    "non compliant": DEGRADED,
    "not healthy": DEGRADED,
    "not controlled": DEGRADED,
    "not properly": DEGRADED,
    "already exists": DEGRADED,
    "timed out": DEGRADED,
    "time out": DEGRADED,
    "out of memory": DEGRADED,
    "out of sync": PROGRESSING,
    "not set": DEGRADED,
    "up to date": HEALTHY,
    "in sync": HEALTHY,
    "in progress": PROGRESSING,
    "rolling update": PROGRESSING,
    "scaling down": PROGRESSING,
    "shutting down": PROGRESSING,
    "bad config": DEGRADED,
    "none of": DEGRADED,
    "no error": HEALTHY,
    "no errors": HEALTHY,
    "no matching": SUSPENDED,
    "scaled to zero": SUSPENDED,
}

#: What one word means. Where several words of one text are known, the earlier row of PRECEDENCE wins.
WORDS: dict[str, frozenset[str]] = {
    DEGRADED: _words(
        """abort aborted absent bad blocked broken cancelled canceled cannot conflict conflicted conflicts conflicting
        corrupt corrupted crash crashed crashing crashloop critical dead degraded denied deny disconnected down
        duplicate err error errored erroneous errors evicted exceeded exhausted expired fail failed failing fails
        failure failures fatal fault faulted faulty forbidden illegal inaccessible incompatible inconsistent incorrect
        incomplete insufficient invalid killed limit lost malformed misconfigured misconfiguration mismatch mismatched
        missing noncompliant nonexistent orphan orphaned offline overloaded panic partial partially problem
        quarantined red refused reject rejected revoked rolledback stalled stuck suspect terminal terminated timeout
        unable unaccepted unauthorized unauthenticated unavailable undeliverable unhealthy unmanaged unprogrammed
        unreachable unrecognized unrecoverable unresolved unresolvable unschedulable unsupported untrusted
        violated violation violations warn warning wrong"""
    ),
    SUSPENDED: _words(
        """disabled disrupting dormant frozen halted held hibernated hibernating ignored inactive manual maintenance
        pause paused pausing standby stop stopped stopping suspend suspended suspending dehydrated shelved"""
    ),
    PROGRESSING: _words(
        """await backoff being bootstrap build create degrading delete deleted drain incoming init install launch
        migrate new not-yet notready ongoing partition pending prepare progress provision queue queued reconcile
        requested restore retry retried retries rollback rollout scaleup scaledown scheduled schedule started starting
        stabilizing submitted submit sync transient transition uninitialized uninstalled unbound unknownyet unready
        unset unsynced upgrade update wait yellow initial pendingcreation renewal shutdown terminate"""
    ),
    UNKNOWN: _words("inconclusive undetermined indeterminate"),
    HEALTHY: _words(
        """accept active alive attached available bound clean complete completed compliant connected converged current
        done enforced established exist exists finished green healthy idle joined listening live loaded normal ok okay
        online open operational passed passing present promoted provided ready registered running serving stable
        success successful successfully succeeded succeed up valid validated verified working"""
    ),
}

#: Which meaning wins where a text holds words of several: a failure is news, "done" is only the rest.
PRECEDENCE = (DEGRADED, SUSPENDED, PROGRESSING, UNKNOWN, HEALTHY)

#: Words that turn a good word around: "not" into "not yet" (NotReady, NotComplete), the others into a refusal
#: (NoValidCertificate). A bad word after any of them is good news (no errors).
NEGATIONS = {"not": PROGRESSING, "no": DEGRADED, "non": DEGRADED, "never": DEGRADED, "without": DEGRADED}

#: English grammar, for words that no row has: `-ing` is under way (Creating), `-ed` is done (Provisioned).
ENDINGS: tuple[tuple[str, str], ...] = (("ing", PROGRESSING), ("ed", HEALTHY))

#: Words with these endings that say nothing about a state.
NOT_STATES = _words(
    "existing following string during nothing something setting settings binding listing embedded need needed "
    "required used based named managed expected scaling hosting routing red feed seed speed embed exceed"
)

#: Words of a reason that end what a condition of "under way" (Progressing, Running) began.
DONE = _words("available success successful successfully succeeded complete completed done finished expected idle")

#: Conditions that speak for the whole object. True: healthy. False: as the reason says. Unknown: in progress.
WHOLE = _words(
    """Ready Available Healthy Succeeded Successful Complete Completed Synced Accepted Programmed Established Installed
    Reconciled Deployed Compliant Applied ResolvedRefs"""
)

#: Of these, the ones that sum up all others: True means that no other normal condition matters.
SUMMARY = _words("Ready Succeeded Successful Complete Completed")

#: A type that ends in one of these tells of a part as WHOLE does of the object (PredictorReady, RemoteSynced). Any
#: other normal condition that is True is a stage passed on the way (Launched, Registered): no sign of its end.
PART_ENDINGS = _words(
    """ready available healthy succeeded successful complete completed synced synchronized accepted programmed
    established installed reconciled deployed compliant applied resolved valid date operation promoted bound active
    finished provisioned initialized created admitted ok"""
)

#: Condition types whose name alone would be misread; what the type says where it is True (None: says nothing).
#: `Running` is the Ansible operators' (and Jobs') "a run is under way", with the reason `Successful` after it.
CONDITION_TYPES: dict[str, str | None] = {
    "Running": PROGRESSING,
    "Progressing": PROGRESSING,
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
}

#: Reasons that mean something other than their words do.
#: ProgressingWithRetry: Flux, "the last attempt failed"; the condition Ready tells about it.
#: NewReplicaSetAvailable: Deployments and Rollouts, "the roll-out is over".
REASONS: dict[str, str | None] = {
    "ProgressingWithRetry": HEALTHY,
    "NewReplicaSetAvailable": HEALTHY,
    "NotReady": None,
    "Unready": None,
    "MinimumReplicasUnavailable": PROGRESSING,
    "DependencyNotReady": PROGRESSING,
    "Running": PROGRESSING,
    "AsExpected": HEALTHY,
    "Unknown": PROGRESSING,
    "Pending": PROGRESSING,
    "Stopped": SUSPENDED,
}

#: Conditions whose False is never a failure, whatever its reason. Programmed: Gateway API, "not yet in the data plane".
NOT_YET = _words("Programmed")

#: A reason of "under way" with a message that begins so has failed and is tried again.
FAILED_BEGINNINGS = ("error", "failed", "failure", "cannot", "could not", "unable", "invalid", "fatal", "rejected")

#: Cluster API: the severity of a condition that is False. Knative: `Info` has no part in the whole.
SEVERITIES: dict[str, str] = {"Error": DEGRADED, "Warning": PROGRESSING, "Info": PROGRESSING}

#: Fields of status (in lower case) that hold a word about the whole object.
STATE_FIELDS = _words(
    """phase state status currentstate currentphase currentstatus health healthstatus overallstatus overallstate
    clusterstatus clusterstate clusterphase lifecyclestate provisioningstate operationalstate reconcilestatus
    reconciliationstate printablestatus compliant compliance condition result jobstatus deploymentstatus deploymentstate
    deploystatus installstatus installationstatus installationphase syncstatus syncstate stage robustness"""
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
    "true": HEALTHY,
    "false": PROGRESSING,
}

#: Kinds that run once and end (by the end of the kind's name): for them `Running` is under way, not healthy.
RUNS_TO_COMPLETION = (
    "Run", "Job", "Task", "Workflow", "Backup", "Restore", "Migration", "Operation", "Request", "Experiment", "Test",
    "Action", "Snapshot", "Import", "Export", "Build", "Copy", "Upgrade",
)  # fmt: skip

#: Truth values of status: field -> (what True says, what False says).
FLAGS: dict[str, tuple[str | None, str | None]] = {
    "ready": (HEALTHY, PROGRESSING),
    "isReady": (HEALTHY, PROGRESSING),
    "readyToUse": (HEALTHY, PROGRESSING),
    "available": (HEALTHY, PROGRESSING),
    "healthy": (HEALTHY, DEGRADED),
    "valid": (HEALTHY, DEGRADED),
    "succeeded": (HEALTHY, None),
    "synced": (HEALTHY, PROGRESSING),
    "applied": (HEALTHY, PROGRESSING),
    "initialized": (HEALTHY, PROGRESSING),
    "installed": (HEALTHY, PROGRESSING),
    "provisioned": (HEALTHY, PROGRESSING),
    "completed": (HEALTHY, PROGRESSING),
    "failed": (DEGRADED, None),
    "degraded": (DEGRADED, None),
    "stalled": (DEGRADED, None),
    "paused": (SUSPENDED, None),
    "suspended": (SUSPENDED, None),
}

#: Fields of status that hold what went wrong; anything but an empty value there is a failure.
#: failureReason and failureMessage: Cluster API, "terminal, and likely to need a person".
FAILURE_FIELDS = (
    "error", "errors", "errorMessage", "errorDescription", "failureReason", "failureMessage", "validationErrors",
)  # fmt: skip

#: Fields of spec with which a person stops the controller; True means Suspended.
SUSPEND_FIELDS = ("suspend", "suspended", "paused", "pause", "hibernate")

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
)

#: Objects one level down in status that hold conditions of their own and speak for the whole.
CONDITION_HOLDERS = ("conditionedStatus", "status", "resourceStatus")

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

#: Groups that Kubernetes itself serves. A kind of these without a rule has no health.
BUILTIN_GROUPS = _words(
    """apps batch autoscaling policy extensions networking.k8s.io rbac.authorization.k8s.io storage.k8s.io
    admissionregistration.k8s.io apiextensions.k8s.io apiregistration.k8s.io authentication.k8s.io
    authorization.k8s.io certificates.k8s.io coordination.k8s.io discovery.k8s.io events.k8s.io
    flowcontrol.apiserver.k8s.io node.k8s.io scheduling.k8s.io resource.k8s.io internal.apiserver.k8s.io
    storagemigration.k8s.io metrics.k8s.io"""
) | {""}

#: Third-party kinds that never have a status, by their own API: `*` stands for a whole group.
#: Any other object without one is taken to be new, so that a wave waits for its controller's first word.
WITHOUT_STATUS: dict[str, frozenset[str]] = {
    "argoproj.io": _words(
        "AppProject WorkflowTemplate ClusterWorkflowTemplate AnalysisTemplate ClusterAnalysisTemplate"
    ),
    "monitoring.coreos.com": _words("PrometheusRule ServiceMonitor PodMonitor Probe ScrapeConfig AlertmanagerConfig"),
    "networking.istio.io": _words("*"),
    "apiextensions.crossplane.io": _words("Composition CompositionRevision EnvironmentConfig"),
    "pkg.crossplane.io": _words("DeploymentRuntimeConfig ControllerConfig ImageConfig"),
    "wgpolicyk8s.io": _words("*"),
    "security.istio.io": _words("*"),
    "telemetry.istio.io": _words("*"),
    "extensions.istio.io": _words("*"),
    "traefik.io": _words("*"),
    "traefik.containo.us": _words("*"),
    "cilium.io": _words(
        "CiliumNetworkPolicy CiliumClusterwideNetworkPolicy CiliumLoadBalancerIPPool CiliumEnvoyConfig"
    ),
    "crd.projectcalico.org": _words("*"),
    "projectcalico.org": _words("*"),
    "metallb.io": _words("IPAddressPool L2Advertisement BGPAdvertisement BGPPeer BFDProfile Community"),
    "notification.toolkit.fluxcd.io": _words("Alert Provider"),
    "tekton.dev": _words("Pipeline Task ClusterTask"),
    "triggers.tekton.dev": _words("Trigger TriggerBinding TriggerTemplate ClusterTriggerBinding"),
    "kustomize.config.k8s.io": _words("*"),
    "linkerd.io": _words("ServiceProfile"),
    "policy.linkerd.io": _words("Server ServerAuthorization AuthorizationPolicy MeshTLSAuthentication"),
    "config.gatekeeper.sh": _words("Config"),
    "externaldns.k8s.io": _words("DNSEndpoint"),
    "secrets-store.csi.x-k8s.io": _words("SecretProviderClass"),
    "snapshot.storage.k8s.io": _words("VolumeSnapshotClass"),
    "crd.k8s.amazonaws.com": _words("ENIConfig"),
    "keda.sh": _words("TriggerAuthentication ClusterTriggerAuthentication"),
    "gateway.networking.k8s.io": _words("ReferenceGrant"),
    "jenkins.io": _words("*"),
    "k8s.cni.cncf.io": _words("NetworkAttachmentDefinition"),
    "velero.io": _words("VolumeSnapshotLocation"),
    "*": _words("ProviderConfig ClusterProviderConfig ProviderConfigUsage StoreConfig"),
}
