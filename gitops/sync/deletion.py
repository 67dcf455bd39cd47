"""Deleting an Application and what it made, one step at a time (specs section 5, deletion).

PreDelete hooks, then the objects in reverse wave order, each wave gone before the next begins, then PostDelete hooks,
then the finalizer. What is left to do is read from the cluster at each step, so a deletion can be killed anywhere and
needs no record but the Application's own finalizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from gitops.cluster import ApiError, UnknownKind
from gitops.errors import DeletionError, GitOpsError, LockLost
from gitops.model.application import Application
from gitops.model.names import (
    FINALIZER_BACKGROUND,
    FINALIZER_FOREGROUND,
    FINALIZER_FOREGROUND_ALIAS,
    GROUP,
    HELM_RESOURCE_POLICY,
    POST_DELETE_FINALIZER,
    PRE_DELETE_FINALIZER,
)
from gitops.model.objects import Manifest, Object, ObjectKey, annotations_of, gvk_of, key_of
from gitops.model.tracking import is_crd
from gitops.sync import hooked, messages
from gitops.sync.advance import BACKSTOP, SOON, STEP_TASKS
from gitops.sync.hooks import DeletePolicy, Phase, delete_policies, hook_phases, wave
from gitops.sync.options import Propagation, SyncOptions
from gitops.sync.plan import Plan
from gitops.sync.ports import FAILED, RUNNING, SUCCEEDED, Again, Context, Done, Outcome, Parked
from gitops.sync.record import TaskResult, parse_time
from gitops.sync.running import for_all, judge
from gitops.sync.task import Task

_CLEANUP = "/cleanup"
#: Seconds until a delete hook that failed is made again.
FAILED_HOOK = 30.0


@dataclass(slots=True)
class Deletion:
    """One step's view of an Application that is being deleted."""

    app: Application
    #: The desired objects, for the hooks among them; empty where they cannot be rendered any more.
    manifests: Sequence[Manifest]
    #: Everything in the cluster that the Application tracks, as it is now (hooks may be among it).
    live: Sequence[Object]
    #: Takes a finalizer off the Application's CR.
    drop_finalizer: Callable[[str], None]
    #: Held while some of so many objects are deleted; gives how many requests may be in flight meanwhile.
    turn: Callable[[int], AbstractContextManager[int]] = lambda _: nullcontext(8)


def finalizers_wanted(manifests: Iterable[Manifest]) -> list[str]:
    """The finalizers that an Application with these objects needs, so that its delete hooks can run."""
    phases = {phase for manifest in manifests for phase in hook_phases(manifest.load()) or ()}
    wanted: list[str] = []
    for phase, name in ((Phase.PRE_DELETE, PRE_DELETE_FINALIZER), (Phase.POST_DELETE, POST_DELETE_FINALIZER)):
        if phase in phases:
            wanted += [name, name + _CLEANUP]
    return wanted


def advance_deletion(deletion: Deletion, context: Context) -> Outcome:
    """Move the deletion on by one step: Done once our finalizers are off, otherwise Parked or Again.

    Takes the deletion as it stands now, and the surroundings. Without a resources finalizer nothing is deleted, the
    objects stay. Raises LockLost, and ClusterError where the cluster cannot be asked.
    """
    app = deletion.app
    for phase, name in (
        (Phase.PRE_DELETE, PRE_DELETE_FINALIZER),
        (None, ""),
        (Phase.POST_DELETE, POST_DELETE_FINALIZER),
    ):
        if phase is None:
            outcome = _delete_objects(deletion, context)
        elif name in app.finalizers:
            outcome = _run_hooks(deletion, phase, name, context)
        elif phase == Phase.POST_DELETE and any(entry.endswith(_CLEANUP) for entry in _ours(app)):
            outcome = _clean_up(deletion, context)
        else:
            outcome = None
        if outcome is not None:
            return outcome
    return Done(SUCCEEDED, "the application's objects are deleted")


# --- hooks ---


def _ours(app: Application) -> list[str]:
    return [name for name in app.finalizers if name.startswith((PRE_DELETE_FINALIZER, POST_DELETE_FINALIZER))]


def _hook_tasks(deletion: Deletion, phase: Phase) -> list[tuple[Task, Manifest]]:
    found: list[tuple[Task, Manifest]] = []
    for manifest in deletion.manifests:
        obj = manifest.load()
        if phase in (hook_phases(obj) or ()):
            key = manifest.key
            meta = obj.get("metadata") or {}
            if not meta.get("name"):
                suffix = (deletion.app.uid or deletion.app.name)[:7]
                key = key._replace(name=f"{meta.get('generateName') or ''}{suffix}-{phase}".lower())
            task = Task(
                key, manifest.version, phase, wave(obj), manifest.key, hook=True, delete_policies=delete_policies(obj)
            )
            found.append((task, manifest))
    return sorted(found, key=lambda pair: pair[0].wave)


def _attempt(app: Application) -> str:
    return f"delete/{app.uid}"


def _run_hooks(deletion: Deletion, phase: Phase, finalizer: str, context: Context) -> Outcome | None:
    """Make the hooks of a phase, wave by wave, and wait for them; then take the finalizer off."""
    tasks = _hook_tasks(deletion, phase)
    for number in sorted({task.wave for task, _ in tasks}):
        waits = _run_wave([pair for pair in tasks if pair[0].wave == number], deletion, context)
        if waits is not None:
            return waits
    deletion.drop_finalizer(finalizer)
    return Again()


def _run_wave(pairs: list[tuple[Task, Manifest]], deletion: Deletion, context: Context) -> Outcome | None:
    manifests = {task.id: manifest for task, manifest in pairs}
    attempt = _attempt(deletion.app)

    def state(task: Task) -> TaskResult:
        try:
            obj = hooked.start(task, manifests[task.id], Plan(), context, attempt)
        except hooked.OldHookThere:
            return TaskResult(RUNNING, f"waiting for deletion of hook {task.label}", RUNNING)
        result = TaskResult(RUNNING, hook=True)
        judge(task, result, obj, context)
        return result

    tasks = [task for task, _ in pairs]
    results = for_all(state, tasks, context)
    failed = [task for task, result in zip(tasks, results, strict=True) if result.hook_phase == FAILED]
    if failed:
        # Made anew at the next try; the deletion is held until it succeeds.
        for_all(lambda task: _delete_hook(task, deletion, context), failed, context)
        why = next((r.message for r in results if r.hook_phase == FAILED and r.message), "")
        sentence = f"{failed[0].phase} hook {failed[0].label} failed and is tried again{': ' if why else ''}{why}"
        return Parked(sentence, (), context.now() + FAILED_HOOK, failed=True)
    waits = [task for task, result in zip(tasks, results, strict=True) if result.running]
    if waits:
        # Whose object of an earlier try is still going is asked about soon: no watch event need tell of its end.
        soon = any(result.code == RUNNING and not result.hook for result in results)
        until = context.now() + (SOON if soon else BACKSTOP)
        return Parked(messages.waiting(waits), tuple(task.key for task in waits), until)
    return None


def _delete_hook(task: Task, deletion: Deletion, context: Context) -> None:
    live = context.client.get(task.key, version=task.version, metadata_only=True)
    if live is not None and annotations_of(live).get(hooked.MARK) == hooked.mark_of(task, _attempt(deletion.app)):
        hooked.remove(task, live, context, "Foreground")


def _clean_up(deletion: Deletion, context: Context) -> Outcome:
    """Delete hooks by their delete policy, release the others, and take the cleanup finalizers off."""
    tasks = [task for phase in (Phase.PRE_DELETE, Phase.POST_DELETE) for task, _ in _hook_tasks(deletion, phase)]
    doomed = [task for task in tasks if DeletePolicy.HOOK_SUCCEEDED in task.delete_policies]
    for_all(lambda task: _delete_hook(task, deletion, context), doomed, context)
    for_all(lambda task: hooked.release(task, context), [task for task in tasks if task not in doomed], context)
    for name in (PRE_DELETE_FINALIZER + _CLEANUP, POST_DELETE_FINALIZER + _CLEANUP):
        if name in deletion.app.finalizers:
            deletion.drop_finalizer(name)
    return Again()


# --- objects ---


def _propagation(app: Application) -> tuple[str, Propagation] | None:
    """The resources finalizer of the Application, and how it wants its objects deleted."""
    for name in (FINALIZER_BACKGROUND, FINALIZER_FOREGROUND, FINALIZER_FOREGROUND_ALIAS):
        if name in app.finalizers:
            return name, "Background" if name == FINALIZER_BACKGROUND else "Foreground"
    return None


def is_kept(obj: Object, app: Application) -> bool:
    """Whether an object outlives its Application: CRDs, the Application itself, Delete=false, Helm's `keep`, hooks."""
    if is_crd(obj) or hook_phases(obj) is not None:
        return True
    if key_of(obj) == ObjectKey(GROUP, "Application", app.namespace, app.name):
        return True
    if annotations_of(obj).get(HELM_RESOURCE_POLICY) == "keep":
        return True
    return SyncOptions.of(app).value("Delete", obj).lower() == "false"


def _delete_objects(deletion: Deletion, context: Context) -> Outcome | None:
    app = deletion.app
    found = _propagation(app)
    if found is None:
        return None
    finalizer, propagation = found
    doomed = [obj for obj in deletion.live if not is_kept(obj, app)]
    options = SyncOptions.of(app)
    asking = [obj for obj in doomed if options.value("Delete", obj).lower() == "confirm"]
    if asking and not _approved(app, context):
        keys = [_task(obj) for obj in asking]
        return Parked(messages.waiting(keys, "deletion confirmation"), (), context.now() + BACKSTOP)
    if not doomed:
        deletion.drop_finalizer(finalizer)
        return Again()
    last = max(wave(obj) for obj in doomed)
    wave_tasks = [_task(obj) for obj in doomed if wave(obj) == last]
    going = {key_of(obj) for obj in doomed if (obj.get("metadata") or {}).get("deletionTimestamp")}

    def delete(task: Task) -> None:
        context.check_lock()
        try:
            context.client.delete(task.key, version=task.version, uid=task.uid, propagation=propagation)
        except UnknownKind:
            return
        except ApiError as error:
            if not error.conflict and not error.not_found:
                raise DeletionError(f"cannot delete {task.key}: {error.message}") from None

    _in_turns(delete, [task for task in wave_tasks if task.key not in going], deletion, context)
    until = context.now() + _patience(app, context)
    return Parked(messages.waiting(wave_tasks, messages.DELETION), tuple(t.key for t in wave_tasks), until)


def _in_turns(delete: Callable[[Task], None], tasks: Sequence[Task], deletion: Deletion, context: Context) -> None:
    """Delete all, STEP_TASKS at a time, so that others have their share; the first error is raised at the end."""
    refused: GitOpsError | None = None
    for start in range(0, len(tasks), STEP_TASKS):
        with deletion.turn(len(tasks)) as parallel:
            try:
                for_all(delete, tasks[start : start + STEP_TASKS], replace(context, parallel=parallel))
            except LockLost:
                raise
            except GitOpsError as error:
                refused = refused or error
    if refused is not None:
        raise refused


def _patience(app: Application, context: Context) -> float:
    """Seconds until objects that are going are looked at again: a tenth of how long the Application is going already.

    What somebody else's finalizer holds is asked about ever less often.
    """
    since = parse_time(str(app.metadata["deletionTimestamp"])).timestamp()
    return min(BACKSTOP, max(SOON, (context.now() - since) / 10))


def _task(obj: Object) -> Task:
    uid = str((obj.get("metadata") or {}).get("uid") or "")
    return Task(key_of(obj), gvk_of(obj).version, Phase.SYNC, wave(obj), uid=uid)


def _approved(app: Application, context: Context) -> bool:
    """Whether the annotation `deletion-approved` is not older than the wish to delete."""
    try:
        return parse_time(context.deletion_approved) >= parse_time(str(app.metadata["deletionTimestamp"]))
    except (KeyError, ValueError):
        return False
