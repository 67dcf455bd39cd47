"""The render process: what it may do (confine), how it is started and spoken to (process, channel, zygote).

A small *zygote*, started by exec with a clean environment, forks one confined child for each render, and keeps the
confined long-lived *services* (helm, kustomize) that are given bundles of bytes and never open a file of a repository.
This package imports nothing but the standard library and orjson, so that the zygote stays small.
"""
