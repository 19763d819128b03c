"""The tree of refusals. Each has a stable code; what is refused changes nothing.

Refusal
├── BadInput            the request itself is wrong: invalid_phone, text_empty, text_too_long, …
├── NotAllowed          the caller may not: invalid_key, missing_scope
├── NotFound            there is no such thing: not_found
├── Conflicting         it contradicts what is recorded: idempotency_conflict, already_exists
└── NotAccepting        nothing is accepted now: contract_suspended, contract_ended, no_contract, …
"""


class Refusal(Exception):  # noqa: N818  (a refusal is an answer, not a fault)
    """A request that is answered with no: a stable code, a sentence a person can act on, the field."""

    def __init__(self, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.field = field


class BadInput(Refusal):
    """The request itself is wrong and would be wrong again."""


class NotAllowed(Refusal):
    """The caller is not known or lacks a scope."""


class NotFound(Refusal):
    """What was asked for does not exist, or belongs to somebody else."""


class Conflicting(Refusal):
    """The request contradicts what is already recorded."""


class NotAccepting(Refusal):
    """The account cannot send now: its contract, template, signature or route does not allow it."""
