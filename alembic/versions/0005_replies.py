"""Sealed replies, by day like sealed messages; and whom a part went to, beside the id its carrier gave it."""

from alembic import context, op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Parts that were taken before have no phone: their ids alone decide, as they did.
STATEMENTS = """
CREATE TABLE "{schema}".sealed_replies (
    day date NOT NULL,
    reply_id uuid NOT NULL,
    account text NOT NULL,
    phone_index bytea NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (day, reply_id)
) PARTITION BY RANGE (day);
CREATE INDEX sealed_replies_phone_idx ON "{schema}".sealed_replies (phone_index, account);
ALTER TABLE "{schema}".carrier_parts ADD COLUMN phone bytea NOT NULL DEFAULT ''
"""


def upgrade() -> None:
    """Forward only."""
    schema = context.config.attributes["schema"]
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement.format(schema=schema))
