"""The index of founding events serves every noun: contracts, adjustments, statements, reconciliations, seals."""

from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Messages found their streams, too, but nobody lists them from the log, and they are nearly all.
CREATE = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS stored_events_first_idx
    ON "{schema}".stored_events (topic, notification_id)
    WHERE originator_version = 1 AND topic <> 'message.accepted'
"""
DROP = 'DROP INDEX CONCURRENTLY IF EXISTS "{schema}".stored_events_founding_idx'


def upgrade() -> None:
    """Forward only; built while others write. One that was broken off half-way is made anew."""
    schema = context.config.attributes["schema"]
    with op.get_context().autocommit_block():
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{schema}".stored_events_first_idx')
        op.execute(CREATE.format(schema=schema))
        op.execute(DROP.format(schema=schema))
