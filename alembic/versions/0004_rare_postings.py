"""An index of the postings that are not debits: a line of a statement is followed down without reading the debits."""

from alembic import context, op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DROP = 'DROP INDEX CONCURRENTLY IF EXISTS "{schema}".stored_events_rare_postings_idx'
CREATE = """
CREATE INDEX CONCURRENTLY stored_events_rare_postings_idx
    ON "{schema}".stored_events (originator_id, topic, originator_version)
    WHERE topic IN ('ledger.opened', 'ledger.refunded', 'ledger.allowance_changed', 'ledger.adjusted', 'ledger.closed')
"""


def upgrade() -> None:
    """Forward only; built while others write. What a broken attempt left behind is not valid and goes first."""
    schema = context.config.attributes["schema"]
    with op.get_context().autocommit_block():
        op.execute(DROP.format(schema=schema))
        op.execute(CREATE.format(schema=schema))
