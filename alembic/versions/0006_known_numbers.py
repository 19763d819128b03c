"""What is known about ported numbers: whose each is, or whose it is not, under a keyed digest of the number."""

from alembic import context, op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Written within commits of the log, whose lock keeps `change` in the order of commits. Days, not times: a row must
# not lead to the message that taught it.
STATEMENTS = """
CREATE SEQUENCE "{schema}".known_numbers_change;
CREATE TABLE "{schema}".known_numbers (
    digest int8 PRIMARY KEY,
    carrier int2,
    listed bool NOT NULL,
    gone int2 NOT NULL,
    since date NOT NULL,
    gone_since date NOT NULL,
    in_flight uuid[] NOT NULL,
    change int8 NOT NULL
);
CREATE INDEX known_numbers_change_idx ON "{schema}".known_numbers (change);
-- What the sweep looks at: all but the millions that a list has brought.
CREATE INDEX known_numbers_learned_idx ON "{schema}".known_numbers (gone_since)
    WHERE gone > 0 OR in_flight <> '{{}}' OR coalesce(carrier, 0) = 0
"""


def upgrade() -> None:
    """Forward only."""
    schema = context.config.attributes["schema"]
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement.format(schema=schema))
