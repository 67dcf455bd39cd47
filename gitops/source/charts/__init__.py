"""Helm charts from chart repositories over https and from OCI registries.

charts = ChartRepositories(data_dir / "charts", config)
version = charts.resolve("https://charts.example.com", "web", "^1.2")
folder = charts.fetch("https://charts.example.com", "web", version)
"""

from gitops.source.charts.repositories import ChartRepositories

__all__ = ["ChartRepositories"]
