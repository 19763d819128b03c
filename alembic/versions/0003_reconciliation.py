"""Carriers' statements and the runs over them: rows of a file cannot be rebuilt, so they are not a read model."""

from alembic import context, op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE "{schema}".carrier_statements (
    id uuid PRIMARY KEY,
    link text NOT NULL,
    month date NOT NULL,
    mapping text NOT NULL,
    mapping_version int8 NOT NULL,
    file_digest text NOT NULL DEFAULT '',
    content_digest text NOT NULL DEFAULT '',
    rows int8 NOT NULL DEFAULT 0,
    bad_rows int8 NOT NULL DEFAULT 0,
    imported_at timestamptz
);
CREATE INDEX carrier_statements_month_idx ON "{schema}".carrier_statements (link, month, imported_at);
-- The number of the phone is there only as blind indexes under keys of days: gone with those keys.
CREATE TABLE "{schema}".carrier_statement_rows (
    statement uuid NOT NULL,
    number int4 NOT NULL,
    problem text NOT NULL,
    carrier_id text COLLATE "C" NOT NULL,
    at timestamptz,
    day date,
    segments int4 NOT NULL,
    status text NOT NULL,
    network text NOT NULL,
    price_micros int8,
    amount_micros int8,
    phone_index bytea,
    test bool NOT NULL,
    PRIMARY KEY (statement, number)
);
CREATE TABLE "{schema}".reconciliations (
    id uuid PRIMARY KEY,
    statement uuid NOT NULL,
    link text NOT NULL,
    month date NOT NULL,
    mapping text NOT NULL,
    by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL,
    phase text NOT NULL DEFAULT '',
    done int8 NOT NULL DEFAULT 0,
    upto int8 NOT NULL DEFAULT 0,
    problem text NOT NULL DEFAULT '',
    supersedes uuid,
    finished_at timestamptz
);
CREATE INDEX reconciliations_month_idx ON "{schema}".reconciliations (link, month, requested_at);
CREATE TABLE "{schema}".reconciliation_differences (
    run uuid NOT NULL,
    rank int2 NOT NULL,
    number int4 NOT NULL,
    id uuid NOT NULL,
    reason text NOT NULL,
    difference jsonb NOT NULL,
    PRIMARY KEY (run, rank, number)
);
CREATE INDEX reconciliation_differences_id_idx ON "{schema}".reconciliation_differences (run, id)
"""


def upgrade() -> None:
    """Make the tables in the schema that the migrations run for."""
    schema = context.config.attributes["schema"]
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement.format(schema=schema))
