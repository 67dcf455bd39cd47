"""The base of the API models: camelCase on the wire, unknown fields kept."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from gitops.errors import InvalidSpecError


class ApiModel(BaseModel):
    """A part of a Kubernetes object. Fields that we do not know are kept and written back as they were."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)

    def to_api(self) -> dict[str, Any]:
        """The wire form: camelCase, without unset fields."""
        return self.model_dump(by_alias=True, exclude_unset=True)


M = TypeVar("M", bound=ApiModel)


def parse(model: type[M], obj: dict[str, Any], what: str) -> M:
    """Validate a part of an object.

    Raises InvalidSpecError naming `what` and each wrong field by its path on the wire.
    """
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}" for issue in error.errors()[:5]
        )
        raise InvalidSpecError(f"{what} is invalid: {problems}") from None
