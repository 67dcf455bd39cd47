"""Real parts for tests, benchmarks and the demo: a Kubernetes control plane, a Git server, a Valkey server.

All of it runs on loopback ports from a temporary directory and ends with the process that started it.
"""
