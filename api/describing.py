"""openapi.json of doors that decode and encode by themselves: their structures, examples and problems, said once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from api.errors import CATALOGUE, MEDIA_TYPE
from api.schemas import Problem
from domain.events.access import Scope

_REF = "#/components/schemas/{name}"
_described: set[Any] = {Problem}
_ALWAYS = ("unavailable", "internal_error")
_KEYED = ("invalid_key", "missing_scope")
IDEMPOTENCY_HEADER: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 255 visible ASCII characters. The same key and body again gives the first answer, for "
    "ever; another body is refused with 409. Without it a repeated call sends again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "order-2026-0001",
}


def operation(
    summary: str,
    *,
    answer: type[msgspec.Struct],
    example: Mapping[str, Any],
    status: int = 200,
    scope: Scope | None = None,
    body: type[msgspec.Struct] | None = None,
    body_examples: Mapping[str, Mapping[str, Any]] | None = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    problems: Iterable[str] = (),
    item_problems: Iterable[str] = (),
    also: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Arguments of a FastAPI route decorator. `headers` name and describe headers of the answer; `also` are
    further statuses with the same structure; `item_problems` are codes inside a good answer."""
    _described.add(answer)
    extra: dict[str, Any] = {"security": [{"key": [scope]}] if scope else []}
    if body is not None:
        _described.add(body)
        examples = {name: {"value": value} for name, value in (body_examples or {}).items()}
        content = {"application/json": {"schema": _reference(body), "examples": examples}}
        extra["requestBody"] = {"required": True, "content": content}
    if parameters:
        extra["parameters"] = list(parameters)
    good: dict[str, Any] = {
        "description": (answer.__doc__ or "").partition("\n")[0] + _codes_within(item_problems),
        "content": {"application/json": {"schema": _reference(answer), "example": example}},
    }
    if headers:
        good["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    responses: dict[int | str, Any] = {status: good}
    for code, text in (also or {}).items():
        responses[code] = {**good, "description": text}
    codes = (*(_KEYED if scope else ()), *problems, *(_ALWAYS if scope else ()))
    return {
        "summary": summary,
        "status_code": status,
        "response_class": Response,
        "response_model": None,
        "responses": responses | _problem_responses(codes),
        "openapi_extra": extra,
    }


def problem_example(code: str) -> dict[str, Any]:
    """The problem document of a code as it looks."""
    kind = CATALOGUE[code]
    return {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
        "code": code,
        "request_id": "8d3f0c1e5b7a4f62a9d4c0b1e2f3a4d5",
    }


def describe(app: FastAPI, *, description: str) -> dict[str, Any]:
    """The whole document: FastAPI's paths, our structures, the security scheme."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    _, structures = msgspec.json.schema_components(
        sorted(_described, key=lambda kind: str(kind.__name__)), ref_template=_REF
    )
    components = document.setdefault("components", {})
    components["schemas"] = structures
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "sl_<public>_<secret>",
            "description": "An API key. The name beside an operation is the scope the key needs.",
        }
    }
    for path in document["paths"].values():
        for spec in path.values():
            spec["responses"].pop("422", None) if _is_frameworks(spec) else None
    return document


def _is_frameworks(spec: Mapping[str, Any]) -> bool:
    """Whether the 422 is the one FastAPI adds by itself, in a form that is never answered here."""
    content = spec["responses"].get("422", {}).get("content", {})
    return "application/json" in content and MEDIA_TYPE not in content


def _problem_responses(codes: Iterable[str]) -> dict[int | str, Any]:
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[CATALOGUE[code].status].append(code)
    return {
        status: {
            "description": ", ".join(f"`{code}`" for code in group),
            "content": {
                MEDIA_TYPE: {
                    "schema": _reference(Problem),
                    "examples": {code: {"value": problem_example(code)} for code in group},
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def _codes_within(codes: Iterable[str]) -> str:
    named = ", ".join(f"`{code}`" for code in codes)
    return f" A message is refused with one of: {named}." if named else ""


def _reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}
