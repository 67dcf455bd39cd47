"""What is wrong with the environment's settings, in a sentence."""

from __future__ import annotations

import re

from pydantic import ValidationError
from pydantic_settings import SettingsError

from gitops.settings import Settings


def problem(error: ValueError) -> str | None:
    """What to say of an error that reading the settings raised, never with a value; None where it is another error."""
    prefix = Settings.model_config["env_prefix"]
    if isinstance(error, SettingsError):
        named = re.search(r'field "(\w+)"', str(error))
        return f"{prefix}{named[1].upper()} is not readable; write it as JSON" if named else None
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return "; ".join(
            f"{prefix}{'.'.join(str(part) for part in issue['loc']).upper()}: {issue['msg']}"
            for issue in error.errors(include_input=False, include_url=False)[:5]
        )
    return None
