"""The JSON API described as OpenAPI 3.1, for people who write programs against it."""

from __future__ import annotations

from typing import Any

from callback_service.domain.lifecycle import Disposition, RequestState
from callback_service.domain.rota import Duty, Source
from callback_service.services.queue_report import MOST_ROWS
from callback_service.web.problems import KINDS, TYPE

_INSTANT = {"type": "string", "format": "date-time", "description": "UTC, ending in Z"}
_MAYBE_INSTANT = {"type": ["string", "null"], "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}


def describe() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Callback service",
            "version": "1",
            "description": "Ranges are half-open. A date means its local midnight.",
        },
        "servers": [{"url": "/"}],
        "security": [{"staffToken": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"staffToken": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
            "responses": {"Problem": _problem_answer()},
        },
    }


def _paths() -> dict[str, Any]:
    duties = [duty.value for duty in Duty]
    states = [state.value for state in RequestState]
    step = {"type": "integer", "minimum": 1, "maximum": 10080, "description": "minutes"}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 50}
    return {
        "/api/v1/rota/shifts": _get(
            "Resolved shifts that meet the range, whole, in order. Any staff token.",
            [*_range(), _parameter("duty", {"enum": duties, "default": duties[0]})],
            _list_of("Shift"),
        ),
        "/api/v1/rota/cover": _get(
            "Cover and requirement: per stretch without change, or per step. Any staff token.",
            [*_range(), _parameter("step", step)],
            _list_of("Stretch"),
        ),
        "/api/v1/callback-requests": _get(
            "The queue without personal data, in the order it came in. A manager's token.",
            [
                _parameter("state", {"enum": states}),
                _parameter("limit", limit),
                _parameter("cursor", {"type": "string"}),
            ],
            _reference("RequestPage"),
        ),
        "/api/v1/openapi.json": {
            **_get("This description. For anybody.", [], {"type": "object"}, is_open=True)
        },
    }


def _get(
    summary: str, parameters: list[Any], schema: dict[str, Any], *, is_open: bool = False
) -> dict[str, Any]:
    refusals = [] if is_open else ["401", "403", "422"]
    answers: dict[str, Any] = {
        "200": {"description": "OK", "content": {"application/json": {"schema": schema}}}
    }
    for status in refusals:
        answers[status] = {"$ref": "#/components/responses/Problem"}
    operation = {"summary": summary, "parameters": parameters, "responses": answers}
    return {"get": {**operation, **({"security": []} if is_open else {})}}


def _range() -> list[dict[str, Any]]:
    moment = {"type": "string", "examples": ["2026-11-22", "2026-11-22T09:00Z"]}
    return [_parameter(name, moment, is_needed=True) for name in ("from", "to")]


def _parameter(name: str, schema: dict[str, Any], *, is_needed: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": is_needed, "schema": schema}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _reference(name)}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _schemas() -> dict[str, Any]:
    person = _object(id={"type": "integer"}, name={"type": "string"}, email={"type": "string"})
    return {
        "Shift": _object(
            start=_INSTANT,
            end=_INSTANT,
            counsellor={"oneOf": [person, {"type": "null"}]},
            source={"enum": [source.value for source in Source]},
        ),
        "Stretch": _stretch_schema(),
        "RequestPage": _object(items=_list_of("Request"), next_cursor={"type": ["string", "null"]}),
        "Request": _request_schema(),
        "Problem": _problem_schema(),
    }


def _stretch_schema() -> dict[str, Any]:
    skill = {"type": "string", "examples": ["language:cy", "skill:family", "gender:woman"]}
    need = _object(skill=skill, required=_COUNT, on_shift=_COUNT, short=_COUNT)
    stretch = _object(start=_INSTANT, end=_INSTANT, required=_COUNT, on_shift=_COUNT, short=_COUNT)
    stretch["properties"]["skills"] = {
        "type": "array",
        "minItems": 1,
        "items": need,
        "description": "the skills that are needed then; left out where none is",
    }
    return stretch


def _request_schema() -> dict[str, Any]:
    dispositions = [disposition.value for disposition in Disposition]
    return _object(
        reference={"type": "string"},
        state={"enum": [state.value for state in RequestState]},
        created_at=_INSTANT,
        ring_from=_INSTANT,
        due_at=_INSTANT,
        is_window={"type": "boolean"},
        tries=_COUNT,
        counsellor_id={"type": ["integer", "null"]},
        first_attempt_at=_MAYBE_INSTANT,
        closed_at=_MAYBE_INSTANT,
        disposition={"enum": [*dispositions, None]},
    )


def _problem_schema() -> dict[str, Any]:
    field = _object(field={"type": "string"}, reason={"type": "string"})
    problem = _object(
        type={"enum": [TYPE.format(kind) for kind, _ in KINDS.values()]},
        title={"type": "string"},
        status={"type": "integer"},
        detail={"type": "string"},
    )
    problem["properties"]["errors"] = {"type": "array", "items": field}
    return problem


def _problem_answer() -> dict[str, Any]:
    schema = _reference("Problem")
    content = {"application/problem+json": {"schema": schema}}
    return {"description": "Why not (RFC 9457).", "content": content}
