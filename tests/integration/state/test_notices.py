"""What was told stays told, within bounds."""

from __future__ import annotations

from gitops.state import State
from gitops.state.apps import NOTICES_OUTLIVE
from gitops.state.notices import KEPT, TTL, Notices


def test_a_key_is_new_once_and_again_after_it_is_forgotten(state: State) -> None:
    assert state.notices.first("argocd/web", "r1:on-sync-succeeded")
    assert not state.notices.first("argocd/web", "r1:on-sync-succeeded")
    assert state.notices.first("argocd/other", "r1:on-sync-succeeded")
    state.notices.forget("argocd/web", "r1:on-sync-succeeded")
    assert state.notices.first("argocd/web", "r1:on-sync-succeeded")


def test_what_has_not_held_for_longest_is_forgotten_first(state: State) -> None:
    notices = Notices(state.redis, state.keys, kept=3)
    for revision in ("r1", "r2", "r3"):
        notices.first("argocd/web", revision)
    assert not notices.first("argocd/web", "r1"), "it still holds"
    notices.first("argocd/web", "r4")
    assert notices.remembered("argocd/web") == 3
    assert not notices.first("argocd/web", "r1")
    assert notices.first("argocd/web", "r2")


def test_the_memory_ends_with_the_application_and_with_time(state: State) -> None:
    state.notices.first("argocd/web", "someone@mail.example")
    key = state.keys.notices("argocd/web")
    assert 0 < state.redis.ttl(key) <= TTL
    assert b"someone" not in b"".join(state.redis.zrange(key, 0, KEPT))
    state.apps.forget("argocd/web")
    assert 0 < state.redis.ttl(key) <= NOTICES_OUTLIVE, "what is told of its end is on its way"
