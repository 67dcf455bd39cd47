"""The settings that renders follow."""

from __future__ import annotations

from gitops.errors import InvalidSpecError
from gitops.settings import Settings
from gitops.source.renderer import Renderer
from gitops.source.request import Limits, PluginCommand


def renderer_of(settings: Settings) -> Renderer:
    """A renderer with the operator's sandbox and kustomize; starts nothing yet."""
    return Renderer(sandbox=settings.sandbox, kustomize=settings.kustomize_renderer)


def limits_of(settings: Settings) -> Limits:
    """The bounds of one render."""
    return Limits(
        wall_seconds=settings.render_seconds,
        cpu_seconds=max(1, int(settings.render_seconds)),
        memory_mib=settings.render_memory_mib,
        output_mib=settings.render_output_mib,
        objects=settings.render_objects,
    )


def plugins_of(settings: Settings) -> dict[str, PluginCommand]:
    """The declared plugins by name. Raises InvalidSpecError naming the one that cannot be read."""
    found = {}
    for name, declared in settings.plugins.items():
        try:
            lists = {key: tuple(str(part) for part in value) for key, value in declared.items()}
            found[name] = PluginCommand(name, **lists)
        except (TypeError, AttributeError):
            raise InvalidSpecError(
                f"GITOPS_PLUGINS: {name} is not readable; "
                'write {"generate": ["command", "argument"]}, and init, discover and readable as lists too'
            ) from None
    return found
