"""Every refusal as problem+json (RFC 9457): one table gives each code its status;
nothing of a request is echoed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import psycopg
from eventsourcing.persistence import PersistenceError
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.schemas import Problem
from domain.errors import BadInput, Refusal
from infrastructure.group_commit import Overloaded

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means over HTTP: its status, its title and what the caller does about it."""

    status: int
    title: str
    advice: str


CATALOGUE: Mapping[str, Kind] = {
    # The request as such.
    "malformed_json": Kind(
        400, "The body is not JSON", "Send UTF-8 JSON without NaN, BOM or lone surrogates."
    ),
    "body_too_large": Kind(413, "The body is too large", "Send fewer messages in a call."),
    "unsupported_media": Kind(
        415, "The body is not declared as JSON", "Send `Content-Type: application/json`."
    ),
    "wrong_type": Kind(422, "A field has the wrong type", "Compare the field with the schema."),
    "missing_field": Kind(422, "A field is missing", "Add the field."),
    "unknown_field": Kind(422, "A field is not known", "Remove or rename it; nothing is ignored in silence."),
    "invalid_value": Kind(422, "A value is not possible", "Compare the field with the schema."),
    "invalid_cursor": Kind(422, "The cursor is not one of ours", "Begin again without a cursor."),
    "unknown_route": Kind(404, "There is no such address", "Compare the address with /docs."),
    "method_not_allowed": Kind(405, "The address has no such method", "Use a method of the `Allow` header."),
    # The caller.
    "invalid_key": Kind(
        401, "The API key is not valid", "Send `Authorization: Bearer <key>` with a live key."
    ),
    "missing_scope": Kind(403, "The key may not do this", "Ask for a key with the scope."),
    # The message.
    "invalid_phone": Kind(
        422, "Not a mobile number of mainland China", "Give 11 digits, +86 before is fine."
    ),
    "unassigned_phone": Kind(422, "The number's prefix belongs to no carrier", "Check the number."),
    "text_or_template": Kind(422, "Text and template, or neither", "Give either a text or a template."),
    "text_empty": Kind(422, "The text is empty", "Give at least one visible character."),
    "text_too_long": Kind(422, "The text is too long", "Shorten it; the signature counts."),
    "text_control_character": Kind(422, "The text has a control character", "Remove it."),
    "signature_in_text": Kind(422, "The text begins with a signature", "Leave 【…】 out; it is put before."),
    "signature_not_approved": Kind(
        422, "The signature is not approved", "Have it approved, or name another."
    ),
    "template_not_found": Kind(422, "There is no such template", "Check its code."),
    "template_not_approved": Kind(422, "The template is not approved", "Have it approved, or name another."),
    "template_variable_unknown": Kind(422, "The template has no such variable", "Send those it has."),
    "template_variable_missing": Kind(422, "A variable of the template has no value", "Send every variable."),
    "template_variable_length": Kind(422, "A variable is empty or too long", "Give 1 to 35 characters."),
    "template_variable_url": Kind(422, "A variable carries a link", "Put links into the template's text."),
    "variables_without_template": Kind(422, "Variables without a template", "Name the template."),
    "validity_invalid": Kind(422, "The validity is not possible", "Give 10 seconds to 3 days."),
    "reference_invalid": Kind(
        422, "A name of yours is not possible", "Give short visible text, no phone number."
    ),
    "idempotency_key_invalid": Kind(
        422, "The idempotency key is not possible", "Give 1 to 255 visible ASCII characters, no phone number."
    ),
    "idempotency_conflict": Kind(409, "The key was used for another message", "Take a new key."),
    "duplicate_recipient": Kind(422, "The call has this message already", "Set `allow_duplicates` if meant."),
    "bulk_empty": Kind(422, "The call has no messages", "Send 1 to 1000 messages."),
    "bulk_too_many": Kind(422, "The call has too many messages", "Send at most 1000 messages in a call."),
    # The account.
    "no_contract": Kind(403, "The account has no contract", "Ask your administrator."),
    "contract_not_live": Kind(403, "The contract is not live yet", "Wait for its first day."),
    "contract_suspended": Kind(403, "The contract is suspended", "Ask your administrator."),
    "contract_ended": Kind(403, "The contract has ended", "Agree a new one."),
    "contract_term_over": Kind(403, "The contract's term is over", "Agree a new price by an amendment."),
    "no_route": Kind(409, "No link takes this carrier's numbers now", "Enable a link, then send again."),
    "signature_not_filed": Kind(
        409, "The signature is not filed with this number's carrier", "Have it filed, then send again."
    ),
    "filing_invalid": Kind(422, "The filing is not possible", "Compare the field with the schema."),
    "carrier_unknown": Kind(422, "There is no such carrier", "Name mobile, unicom, telecom or broadnet."),
    # Money.
    "account_missing": Kind(422, "The account is not named", "Name it: this key is of no account."),
    "terms_invalid": Kind(422, "The terms are not possible", "Compare the field with its range."),
    "reference_missing": Kind(422, "A reason or reference is missing", "Say what it rests on."),
    "reference_too_long": Kind(422, "A reason or reference is too long", "At most 200 visible characters."),
    "amendment_decided": Kind(409, "The amendment is decided", "Propose a new one."),
    "amendment_in_the_past": Kind(
        409, "The amendment's day is over", "Take today or later, or mark it retroactive."
    ),
    "amendment_inside_statement": Kind(
        409, "The amendment begins inside an issued statement", "Begin after it, or mark it retroactive."
    ),
    "amendment_notice": Kind(409, "The notice is not kept", "Take a later day, or have it waived."),
    "amendment_too_far_back": Kind(
        409, "The amendment reaches into a year that is over", "Correct that year by an adjustment."
    ),
    "stage_not_due": Kind(409, "The stage is not due", "Wait for its day."),
    "stage_invoiced": Kind(409, "The stage is on another invoice", "Nothing is left to do."),
    "stage_not_invoiced": Kind(409, "The stage has no invoice yet", "Invoice it first."),
    "due_in_the_past": Kind(422, "The day of payment is over", "Take a later day."),
    "period_invalid": Kind(422, "The period is not possible", "Give a month, 2026-11, or a year, 2026."),
    "period_missing": Kind(422, "No period is named", "Give a year, or the first and last day."),
    "span_invalid": Kind(422, "The days are no period", "At most three years, the first day first."),
    "what_if_too_large": Kind(422, "Too many postings for a call", "Use the command line."),
    "period_not_over": Kind(409, "The period is not over", "Preview it, and issue it when it is over."),
    "period_not_begun": Kind(409, "The period has not begun", "Ask for the forecast instead."),
    "period_before_contract": Kind(409, "The period is before the contract", "Take a later one."),
    "statement_out_of_order": Kind(
        409, "A statement before or after this one is in the way", "Issue the periods in their order."
    ),
    "statement_exists": Kind(409, "The statement is issued", "It is final: correct it by an adjustment."),
    "year_not_closed": Kind(409, "The year is not closed", "Reset the quota first."),
    "statement_accepted": Kind(409, "The statement was accepted", "Ask for an adjustment instead."),
    "statement_disputed": Kind(409, "The statement is disputed", "Have the dispute resolved first."),
    "statement_not_disputed": Kind(409, "The statement is not disputed", "Nothing is to be resolved."),
    "dispute_window_over": Kind(409, "The window is over", "Ask for an adjustment instead."),
    "statement_reason": Kind(422, "The reason is missing", "Say why; it is kept with the statement."),
    "words_too_long": Kind(422, "The words are too many", "Say it in 500 characters."),
    "adjustment_empty": Kind(422, "The adjustment is empty", "Give segments, or money, or both."),
    "adjustment_exists": Kind(409, "The id is another adjustment's", "Take a new id."),
    "adjustment_too_large": Kind(409, "The adjustment is too large", "Check the segments and the year."),
    "adjustment_rejected": Kind(409, "The adjustment was rejected", "Ask for a new one."),
    "adjustment_posted": Kind(409, "The adjustment is posted", "Ask for the opposite one."),
    "spending_cap_reached": Kind(
        403, "The spending cap is reached", "Have it raised by an amendment, or wait for the new year."
    ),
    "scope_not_possible": Kind(422, "Such a key may not have the scope", "See the scopes it may have."),
    # Reconciliation.
    "platform_key_needed": Kind(
        403, "A key of the platform is needed", "Messages of all accounts are shown: use a key of no account."
    ),
    "mapping_invalid": Kind(422, "The mapping cannot be", "Compare it with the schema."),
    "file_empty": Kind(422, "The file is empty", "Send the carrier's file as the body."),
    "statement_missing": Kind(409, "The file was not read to its end", "Send it again."),
    "reconciliation_not_completed": Kind(409, "The run has no result", "Wait for it, or run it again."),
    "difference_resolved": Kind(409, "The difference is settled", "An adjustment was asked for already."),
    "days_invalid": Kind(422, "These days cannot be compared", "Give 1 to 31 days, the first one first."),
    # Links and routes.
    "link_name": Kind(422, "The link's name is not possible", "Give 1 to 32 small letters, digits, dashes."),
    "link_protocol": Kind(422, "The protocol is not known", "Compare it with the schema."),
    "link_address": Kind(422, "The address is not possible", "Give a host and a port of 1 to 65535."),
    "link_account": Kind(
        422, "The account fits no login", "Give the one the carrier gave for this protocol."
    ),
    "link_password": Kind(
        422, "The password fits no login", "Give one that is not longer than the protocol's field."
    ),
    "link_number": Kind(422, "The number fits no submit", "Give the access number in digits."),
    "link_invalid": Kind(422, "A value of the link is out of its range", "Compare the field with its range."),
    "link_tariff": Kind(
        422, "The protocol has no room for this", "Leave it out, or shorten it as `detail` says."
    ),
    "link_option": Kind(422, "Only SMPP has this", "Leave it out."),
    "link_inbound": Kind(
        422, "Where the carrier comes to us is wrong", "SGIP needs it, the others have it not."
    ),
    "link_encryption": Kind(
        422, "TLS is not possible so", "Use it with SMPP, with a PEM certificate or none."
    ),
    "password_missing": Kind(422, "A new link needs its password", "Send it; it is kept sealed."),
    "password_unreadable": Kind(422, "The sealed password cannot be opened", "Give the password again."),
    "link_unknown": Kind(422, "The route names a link that is not there", "Configure the link first."),
    "route_name": Kind(
        422, "The route's name is not possible", "Give 1 to 32 small letters, digits, dashes."
    ),
    "route_invalid": Kind(422, "The route is not possible", "Compare the field with its range."),
    "extension_unfit": Kind(
        422, "The extension fits not behind a number", "Take fewer or other digits, or none."
    ),
    # What is looked for.
    "not_found": Kind(404, "There is no such thing", "Check the id; it may belong to another account."),
    "reason_required": Kind(422, "A look-up needs a reason", "Say why; it is recorded."),
    "already_exists": Kind(409, "It exists already", "Use the one there is."),
    # The platform.
    "busy": Kind(503, "Somebody else changes this now", "Send the same request again."),
    "overloaded": Kind(503, "Too much is waiting", "Nothing was recorded; wait, then send the same again."),
    "unavailable": Kind(
        503, "The database does not answer", "Send the same again with the same `Idempotency-Key`."
    ),
    "read_model_missing": Kind(
        503, "The read model is not built yet", "Start the projector, then ask again."
    ),
    "internal_error": Kind(500, "A fault of the platform", "Report the request id."),
}
"""Every code the API answers with. docs/api.md shows this table; a test holds the two together."""

_FALLBACK = {"BadInput": 422, "NotAllowed": 403, "NotFound": 404, "Conflicting": 409, "NotAccepting": 403}
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_encoder = msgspec.json.Encoder()


class Unreadable(Refusal):
    """The body cannot be read at all: malformed_json, body_too_large, unsupported_media."""


def kind_of(refusal: Refusal) -> Kind:
    """The row of the catalogue; a code that is not in it gets the status of its branch of the tree."""
    known = CATALOGUE.get(refusal.code)
    if known is not None:
        return known
    return Kind(_FALLBACK.get(type(refusal).__name__, 400), refusal.code.replace("_", " ").capitalize(), "")


def refusal_of(error: Exception) -> Refusal:
    """Any exception as a refusal; what was not foreseen is `internal_error` and says nothing more."""
    match error:
        case Refusal():
            return error
        case msgspec.ValidationError():
            return _wrong_shape(str(error))
        case msgspec.DecodeError() | UnicodeDecodeError():
            return Unreadable("malformed_json", "The body is not valid JSON in UTF-8.")
        case RequestValidationError():
            return _wrong_parameter(error)
        case HTTPException():
            return _of_status(error.status_code)
        case Overloaded():
            return Refusal("overloaded", "Too much is waiting: nothing of this call was recorded, try again.")
        case PersistenceError() | psycopg.OperationalError():
            return Refusal(
                "unavailable",
                "The database does not answer. Whether a message was accepted is not known: repeat the request "
                "with the same Idempotency-Key.",
            )
        case _:
            return Refusal("internal_error", "Something went wrong here: report the request id.")


def respond(error: Exception, *, request_id: str) -> Response:
    """The problem document of an exception, with its headers."""
    refusal = refusal_of(error)
    kind = kind_of(refusal)
    headers = dict(getattr(error, "headers", None) or {})
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="smsledger"'
    if kind.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    problem = Problem(
        type=f"/problems/{refusal.code}",
        title=kind.title,
        status=kind.status,
        detail=refusal.detail,
        code=refusal.code,
        field=refusal.field,
        request_id=request_id,
    )
    return Response(_encoder.encode(problem), kind.status, headers, MEDIA_TYPE)


FORESEEN = (
    Refusal,
    HTTPException,
    RequestValidationError,
    msgspec.DecodeError,
    UnicodeDecodeError,
    Overloaded,
)
"""What is answered without a line in the log."""


async def handle(request: Request, error: Exception) -> Response:
    """FastAPI's exception handler for everything that is foreseen."""
    refusal = refusal_of(error)
    request.scope["smsledger.refused"] = refusal.code
    return respond(error, request_id=request.scope.get("smsledger.request_id", ""))


def _wrong_shape(message: str) -> Refusal:
    """A body of the wrong shape. msgspec names fields of ours in its path, and values never; unknown names
    are the caller's own text and are left out."""
    found = _PATH.search(message)
    field = found[1] or None if found else None
    said = message[: found.start()] if found else message
    if said.startswith("Object contains unknown field"):
        return BadInput("unknown_field", "The object has a field that is not in the schema.", field=field)
    if said.startswith("Object missing required field"):
        name = said.partition("`")[2].rstrip("`")
        return BadInput("missing_field", "A required field is missing.", field=_join(field, name))
    if said.startswith("Expected") and " of length" not in said:
        return BadInput("wrong_type", f"{said}.", field=field)
    return BadInput("invalid_value", "The value is outside what the schema allows.", field=field)


def _wrong_parameter(error: RequestValidationError) -> Refusal:
    """A wrong parameter by its name; FastAPI's own answer would repeat the value."""
    first = error.errors()[0]
    field = str(first["loc"][-1]) if first["loc"] else None
    if first["type"] == "missing":
        return BadInput("missing_field", "A required parameter is missing.", field=field)
    return BadInput("invalid_value", "The parameter is outside what the schema allows.", field=field)


def _of_status(status: int) -> Refusal:
    if status == 404:
        return Refusal("unknown_route", "There is nothing at this address.")
    if status == 405:
        return Refusal("method_not_allowed", "This address has no such method.")
    return Refusal("internal_error", "Something went wrong here: report the request id.")


def _join(path: str | None, name: str) -> str:
    return f"{path}.{name}" if path else name
