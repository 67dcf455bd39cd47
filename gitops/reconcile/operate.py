"""operate: one operation of an application, moved on step by step. Waiting is parking; a killed worker loses nothing."""
from __future__ import annotations


def operate(*a): raise NotImplementedError
def request(*a, **k): raise NotImplementedError
