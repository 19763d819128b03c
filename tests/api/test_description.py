"""openapi.json tells the truth: examples are what their structures say, codes stand in the catalogue and the page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api import (
    contract_schemas,
    filings,
    link_schemas,
    message_route,
    numbers,
    reconciliation_schemas,
    reply_schemas,
    report_schemas,
    route_schemas,
    schemas,
    statement_schemas,
    what_if_schemas,
)
from api.errors import CATALOGUE, kind_of
from domain.errors import BadInput, Refusal
from tests.support.door import Door

ROOT = Path(__file__).resolve().parent.parent.parent
REACHED = (
    "domain/numbering.py",
    "domain/text.py",
    "domain/aggregates/contract.py",
    "domain/aggregates/template.py",
    "domain/aggregates/signature.py",
    "domain/aggregates/access.py",
    "application/send_messages.py",
    "application/look_up_history.py",
    "application/look_up_replies.py",
    "application/manage_access.py",
    "application/manage_portability.py",
    "application/platform.py",
    "application/manage_adjustments.py",
    "application/manage_amendments.py",
    "application/manage_contracts.py",
    "application/stamping.py",
    "domain/aggregates/adjustment.py",
    "domain/aggregates/fee.py",
    "domain/periods.py",
    "application/draft_statement.py",
    "application/follow_lines.py",
    "application/issue_statements.py",
    "application/read_statements.py",
    "domain/aggregates/statement.py",
    "application/reconcile_statements.py",
    "domain/aggregates/reconciliation.py",
    "infrastructure/reconciliations.py",
    "application/what_if.py",
    "infrastructure/traffic.py",
    "infrastructure/link_test.py",
    "domain/protocols.py",
    "domain/aggregates/route.py",
    "application/configure_links.py",
    "application/manage_links.py",
    "application/manage_routes.py",
    *(f"api/{path.name}" for path in sorted((ROOT / "api").glob("*.py")) if not path.name.startswith("cli")),
)
HOMES = (
    schemas,
    filings,
    message_route,
    numbers,
    report_schemas,
    contract_schemas,
    statement_schemas,
    reconciliation_schemas,
    reply_schemas,
    what_if_schemas,
    link_schemas,
    route_schemas,
)
"""Where the structures of the doors are."""
ELSEWHERE = {"account_name", "contract_already_live", "signature_name", "template_code", "template_text"}
"""Codes of commands that no door of the API leads to."""
TREE = {"Refusal", "BadInput", "NotAllowed", "NotFound", "Conflicting", "NotAccepting", "Unreadable"}


@pytest.fixture(scope="module")
def document(door: Door) -> dict[str, Any]:
    answer = door.client.get("/openapi.json")
    assert answer.status_code == 200
    described: dict[str, Any] = answer.json()
    return described


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each example within a body or an answer, with the name of its structure."""
    for content in part.get("content", {}).values():
        reference = content.get("schema", {}).get("$ref", "")
        examples = [example["value"] for example in content.get("examples", {}).values()]
        if "example" in content:
            examples.append(content["example"])
        for example in examples:
            yield reference.rpartition("/")[2], example


def codes_raised() -> dict[str, str]:
    """Every code a refusal is made with in the files an API request can reach, and where."""
    found: dict[str, str] = {}
    for name in REACHED:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TREE:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found[first.value] = name
    return found


def test_every_door_is_described_with_an_example(document: dict[str, Any]):
    named = {name for name, _ in operations(document)}
    assert named == {
        "POST /v1/messages",
        "POST /v1/messages/bulk",
        "GET /v1/messages/{message_id}",
        "GET /v1/messages/{message_id}/route",
        "PUT /v1/numbers",
        "POST /v1/numbers/look-up",
        "POST /v1/numbers/forget",
        "POST /v1/numbers/import",
        "PUT /v1/signatures/filings",
        "GET /v1/signatures/filings",
        "GET /v1/messages",
        "GET /v1/history",
        "GET /v1/replies",
        "GET /v1/billing/ledger",
        "GET /v1/billing/ledger/postings",
        "GET /v1/billing/ledgers",
        "GET /v1/billing/alarms",
        "GET /v1/billing/contract",
        "POST /v1/billing/contract/suspend",
        "POST /v1/billing/contract/resume",
        "POST /v1/billing/amendments",
        "POST /v1/billing/amendments/{number}/approve",
        "POST /v1/billing/amendments/{number}/withdraw",
        "POST /v1/billing/stages/{stage}/invoice",
        "POST /v1/billing/stages/{stage}/pay",
        "GET /v1/billing/adjustments",
        "POST /v1/billing/adjustments",
        "POST /v1/billing/adjustments/{id}/approve",
        "POST /v1/billing/adjustments/{id}/reject",
        "GET /v1/billing/statements",
        "GET /v1/billing/statements/{period}",
        "GET /v1/billing/statements/{period}/preview",
        "GET /v1/billing/statements/{period}/lines/{line}/postings",
        "POST /v1/billing/statements/{period}/issue",
        "POST /v1/billing/statements/{period}/accept",
        "POST /v1/billing/statements/{period}/dispute",
        "POST /v1/billing/statements/{period}/resolve",
        "GET /v1/billing/forecast",
        "PUT /v1/billing/statement-mappings/{carrier}",
        "GET /v1/billing/statement-mappings/{carrier}",
        "POST /v1/billing/reconciliations",
        "POST /v1/billing/what-if",
        "GET /v1/billing/reconciliations",
        "GET /v1/billing/reconciliations/self",
        "GET /v1/billing/reconciliations/{id}",
        "GET /v1/billing/reconciliations/{id}/differences",
        "POST /v1/billing/reconciliations/{id}/rerun",
        "POST /v1/billing/reconciliations/{id}/differences/{difference}/resolve",
        "GET /v1/statistics",
        "GET /v1/monitoring",
        "GET /v1/links",
        "GET /v1/links/{name}",
        "PUT /v1/links/{name}",
        "POST /v1/links/{name}/enable",
        "POST /v1/links/{name}/disable",
        "POST /v1/links/{name}/drain",
        "POST /v1/links/{name}/mend",
        "POST /v1/links/{name}/test",
        "GET /v1/routes",
        "PUT /v1/routes/{name}",
        "DELETE /v1/routes/{name}",
        "POST /v1/routes/try",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /problems",
        "GET /problems/{code}",
    }
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        if name != "GET /metrics":
            good = next(status for status in operation["responses"] if status.startswith("2"))
            assert list(contents(operation["responses"][good])), name


def test_every_example_is_what_its_structure_says(document: dict[str, Any]):
    checked = 0
    for _, operation in operations(document):
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            for structure, example in contents(part):
                kind = next(found for home in HOMES if (found := getattr(home, structure, None)))
                made = msgspec.convert(example, kind)
                assert msgspec.to_builtins(made).keys() >= example.keys()
                checked += 1
    assert checked > 50


def test_every_reference_leads_somewhere(document: dict[str, Any]):
    references = re.findall(r'"\$ref": ?"#/components/schemas/(\w+)"', msgspec.json.encode(document).decode())
    references += re.findall(r'"\$ref":"#/components/schemas/(\w+)"', msgspec.json.encode(document).decode())
    assert references
    assert set(references) <= set(document["components"]["schemas"])


def test_every_v1_door_names_its_scope_and_the_refusals_of_keys(document: dict[str, Any]):
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for name, operation in operations(document):
        (_, path) = name.split()
        if path.startswith("/v1/"):
            assert operation["security"][0]["key"], name
            assert {"401", "403", "503"} <= set(operation["responses"]), name
        else:
            assert operation["security"] == [], name


def test_every_problem_described_is_one_of_the_catalogue_with_its_status(document: dict[str, Any]):
    for _, operation in operations(document):
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/problem+json")
            if content is not None:
                for code, example in content["examples"].items():
                    assert CATALOGUE[code].status == int(status)
                    assert example["value"]["code"] == code


def test_no_refusal_is_described_in_the_form_of_the_framework(document: dict[str, Any]):
    assert "HTTPValidationError" not in msgspec.json.encode(document).decode()


def test_every_code_a_request_can_meet_is_in_the_catalogue_and_the_other_way_round():
    raised = codes_raised()
    assert {code: file for code, file in raised.items() if code not in CATALOGUE} == {
        code: raised[code] for code in ELSEWHERE
    }
    assert set(CATALOGUE) - set(raised) - {"already_exists"} == set()


def test_a_code_that_is_not_in_the_catalogue_gets_the_status_of_its_branch():
    assert kind_of(BadInput("never_heard_of", "x")).status == 422
    assert kind_of(Refusal("never_heard_of", "x")).status == 400


def test_the_page_lists_the_whole_catalogue_and_every_door(document: dict[str, Any]):
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    rows = [
        f"| `{code}` | {kind.status} | {kind.title} | {kind.advice} |" for code, kind in CATALOGUE.items()
    ]
    table = page.partition("<!-- problems -->\n")[2].partition("\n<!-- end -->")[0]
    assert table.splitlines()[2:] == rows
    for name, operation in operations(document):
        method, path = name.split()
        scope = operation["security"][0]["key"][0] if operation["security"] else "none"
        assert re.search(rf"^\| `{method} {re.escape(path)}` \| `?{scope}`? \|", page, re.MULTILINE), name


def test_the_page_for_people_loads_nothing_from_elsewhere(door: Door):
    answer = door.client.get("/docs")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", answer.text)
