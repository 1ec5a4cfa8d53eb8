"""OpenAPI: parameters come from what the views really read, errors are the same everywhere."""

from __future__ import annotations

from typing import Any

import msgspec
from drf_spectacular.openapi import AutoSchema

from meters.api.ingest import PostedSample, PostedSamples

ERROR_SCHEMA = {
    "type": "object",
    "required": ["code", "title", "detail", "errors", "request_id"],
    "properties": {
        "code": {"type": "string", "description": "For programs; never changes its meaning."},
        "title": {"type": "string"},
        "detail": {"type": "string", "description": "One sentence for people."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}

#: The body of a post of samples, from the very types that decode it.
(POSTED_SCHEMA,), POSTED_TYPES = msgspec.json.schema_components(
    [list[PostedSample] | PostedSamples], ref_template="#/components/schemas/{name}"
)
LINK_SCHEMA = {"type": ["string", "null"], "format": "uri"}


def page_schema(rows: dict[str, Any]) -> dict[str, Any]:
    """A page of a list."""
    return {
        "type": "object",
        "required": ["results", "next", "previous"],
        "properties": {"results": rows, "next": LINK_SCHEMA, "previous": LINK_SCHEMA},
    }


class ApiSchema(AutoSchema):
    """Documents the view's own `query_params()`, and groups operations by their first word."""

    def get_override_parameters(self) -> list[Any]:
        view: Any = self.view
        if not hasattr(view, "query_params"):
            return []
        filters = view.filterset_class if self.method == "GET" else None
        found = {param.name: param for param in (filters.openapi() if filters else ())}
        found |= {param.name: param.openapi() for param in view.query_params(self.method)}
        return list(found.values())

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part and part != "api"]
        return parts[:1] or ["root"]


def add_errors(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Every operation may answer with the one error shape (a hook of drf-spectacular)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Error": ERROR_SCHEMA, **POSTED_TYPES}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {"description": "An error.", "content": content}
    return result
