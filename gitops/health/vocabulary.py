"""What single words and phrases of conditions, reasons, phases and messages mean, as tables.

To teach the engine a word, add it to one row here. Words are matched without regard to case, in CamelCase, snake_case
and plain text alike: `ReconcileError`, `reconcile_error` and `Reconcile error` are the same three words.
"""

from __future__ import annotations

from gitops.model.health import DEGRADED, HEALTHY, PROGRESSING, SUSPENDED, UNKNOWN


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
    "not up to date": PROGRESSING,
    "not enough": DEGRADED,
    "already claimed": DEGRADED,
    "already taken": DEGRADED,
    "already used": DEGRADED,
    "already in use": DEGRADED,
    "no quorum": DEGRADED,
    "split brain": DEGRADED,
    "rollback complete": DEGRADED,
    "roll back complete": DEGRADED,
    "crash loop": DEGRADED,
    "pull back off": DEGRADED,
    "back off": PROGRESSING,
    "no leader": DEGRADED,
    "storage full": DEGRADED,
    "disk full": DEGRADED,
    "rolled back": DEGRADED,
    "failed over": HEALTHY,
    "scaling up": PROGRESSING,
    "scaling out": PROGRESSING,
    "scaling in": PROGRESSING,
    "update available": HEALTHY,
    "upgrade available": HEALTHY,
    "up to date": HEALTHY,
    "in service": HEALTHY,
    "in use": HEALTHY,
    "requires approval": SUSPENDED,
    "approval required": SUSPENDED,
    "awaiting approval": SUSPENDED,
    "waiting for approval": SUSPENDED,
    "pending approval": SUSPENDED,
    "power off": SUSPENDED,
    "powered off": SUSPENDED,
    "shut down": SUSPENDED,
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
    "not reachable": DEGRADED,
    "not responding": DEGRADED,
    "not working": DEGRADED,
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
        violated violation violations warn warning wrong
        ambiguous compromised crashes dangling deadlock deadlocked declined depleted diverged duplicated exception gone
        hung impaired impossible inoperable interrupted irreconcilable malfunction missed outage overcommitted preempted
        pressure prohibited stale unbindable unexpected unfulfilled unlicensed unresponsive unsatisfied unsatisfiable
        unsuccessful unusable abandoned abnormal alerting exited isolated issues zombie"""
    ),
    SUSPENDED: _words(
        """disabled disrupting dormant frozen halted held hibernated hibernating ignored inactive manual maintenance
        pause paused pausing standby stop stopped stopping suspend suspended suspending dehydrated shelved
        asleep sleeping deactivated deallocated decommissioned ignore poweroff poweredoff
        closed cordoned drained locked"""
    ),
    PROGRESSING: _words(
        """await backoff being bootstrap build create degrading delete deleted drain incoming init install launch
        migrate new not-yet notready ongoing partition pending prepare progress provision queue queued reconcile
        requested restore retry retried retries rollback rollout scaleup scaledown scheduled schedule started starting
        stabilizing submitted submit sync transient transition uninitialized uninstalled unbound unknownyet unready
        unset unsynced upgrade update wait yellow initial pendingcreation renewal shutdown terminate
        allocate attach converge elect enqueue enqueued failover inprogress inqueue inspect preparation propagate
        rebalance rebuild recover recovery redeploy request reschedule resize restart resume rotate startup switchover
        throttled throttling deprovisioned destroyed drifted removed"""
    ),
    UNKNOWN: _words("inconclusive undetermined indeterminate"),
    HEALTHY: _words(
        """accept active alive attached available bound clean complete completed compliant connected converged current
        done enforced established exist exists finished green healthy idle joined listening live loaded normal ok okay
        online open operational passed passing present promoted provided ready registered running serving stable
        success successful successfully succeeded succeed up valid validated verified working
        accepting formed leading optimal polling quorate reachable latest responsive steady streaming unlocked unpacked
        unsealed watching busy good on safe unpaused"""
    ),
}

#: Which meaning wins where a text holds words of several: a failure is news, "done" is only the rest.
PRECEDENCE = (DEGRADED, SUSPENDED, PROGRESSING, UNKNOWN, HEALTHY)

#: Words that turn a good word around: "not" into "not yet" (NotReady, NotComplete), the others into a refusal
#: (NoValidCertificate). A bad word after any of them is good news (no errors), and so is one that is under way
#: (NotUpdating), but for what should have begun (NotStarted).
NEGATIONS = {"not": PROGRESSING, "no": DEGRADED, "non": DEGRADED, "never": DEGRADED, "without": DEGRADED}

#: English grammar, for words that no row has: `-ing` is under way (Creating), `-ed` is done (Provisioned).
ENDINGS: tuple[tuple[str, str], ...] = (("ing", PROGRESSING), ("ed", HEALTHY))

#: English grammar again: a word in `-ed` that begins so says the opposite (unassigned, misplaced).
TURNED: tuple[tuple[str, str], ...] = (("un", PROGRESSING), ("mis", DEGRADED))

#: Words with these endings that say nothing about a state.
NOT_STATES = _words(
    "existing following string during nothing something setting settings binding listing embedded need needed "
    "required deprecated used based named managed expected scaling hosting routing red feed seed speed embed exceed"
)

#: As the last word of a text these end what the words before them began (UPDATE_COMPLETE, InstallSucceeded).
ENDS = _words("success successful successfully succeeded complete completed done finished")
