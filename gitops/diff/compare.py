"""One object, desired against live."""

from __future__ import annotations

from gitops.diff.delta import would_change
from gitops.diff.ignore import NO_RULES, IgnoreRules
from gitops.diff.managed import ARGO_MANAGER, OUR_MANAGERS, removed_from_git
from gitops.diff.normalise import normalise, reduce_claim_templates, type_of
from gitops.diff.subset import Findings, SubsetWalk
from gitops.diff.verdict import Change, ObjectDiff, Verdict
from gitops.model.names import INSTANCE_LABEL
from gitops.model.objects import Object, key_of
from gitops.model.tracking import TrackingMethod, normalise_migration

_SAME = ObjectDiff(Verdict.SAME)


def compare(
    target: Object | None,
    live: Object | None,
    rules: IgnoreRules = NO_RULES,
    *,
    predicted: Object | None = None,
    method: TrackingMethod = TrackingMethod.ANNOTATION,
    label_key: str = INSTANCE_LABEL,
    webhooks_count: bool = False,
) -> ObjectDiff:
    """Compare one object.

    Takes the desired object (tracking metadata included) or None where Git has none, the live object or None where the
    cluster has none, what is to be ignored, and in `predicted` the server's answer to a dry-run apply of the target
    where the caller made one. Without it the answer may be Verdict.ASK: make the dry run and compare again. With it the
    answer is always sure. `method` and `label_key` are the tracking settings, for objects that come from elsewhere.
    `webhooks_count`: what admission webhooks would change is a difference too (IncludeMutationWebhook=true).

    Raises ComparisonError for an ignore rule that cannot be evaluated.
    """
    if target is None or live is None:
        return _one_sided(target, live)
    raw = live
    live = normalise_migration(target, live, method, label_key)
    if predicted is not None:
        answer = normalise_migration(target, predicted, method, label_key)
    matching = rules.for_object(live)
    settings = rules.settings
    wanted, held = normalise(target, settings), normalise(live, settings)
    kind, known = type_of(live, rules.overlay(live))
    held = reduce_claim_templates(wanted, held)
    if matching:
        wanted, held = matching.apply(wanted, raw), matching.apply(held, raw)
    found = Findings()
    if predicted is not None:
        after = reduce_claim_templates(wanted, normalise(answer, settings))
        if matching:
            after = matching.apply(after, raw)
        for path in would_change(wanted, held, after, raw, predicted, kind, webhooks_count=webhooks_count):
            found.add(Verdict.DIFFERENT, path)
    else:
        walk = SubsetWalk(found, builtin=known)
        for name, value in wanted.items():
            if name in held:
                walk.walk(value, held[name], kind.child(name) if kind else None, (name,))
            else:
                walk.absent(value, kind.child(name) if kind else None, (name,))
    managers = OUR_MANAGERS if predicted is None else frozenset({ARGO_MANAGER})
    for path, sure in removed_from_git(wanted, held, kind, raw=raw, managers=managers):
        found.add(Verdict.DIFFERENT if sure or predicted is not None else Verdict.ASK, path)
    return _result(found)


def _one_sided(target: Object | None, live: Object | None) -> ObjectDiff:
    if target is not None:
        return ObjectDiff(Verdict.DIFFERENT, Change.MISSING, f"{key_of(target)} is not in the cluster")
    if live is not None:
        return ObjectDiff(Verdict.DIFFERENT, Change.EXTRA, f"{key_of(live)} is no longer in Git")
    return _SAME


def _result(found: Findings) -> ObjectDiff:
    verdict = found.verdict
    if verdict is Verdict.SAME:
        return _SAME
    paths = found.paths
    named = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    if verdict is Verdict.DIFFERENT:
        return ObjectDiff(verdict, Change.MODIFIED, f"Git and the cluster differ in {named}", paths)
    return ObjectDiff(verdict, Change.NONE, f"only the API server can tell whether {named} differs", paths)
