"""The event log, its tracking table and the side tables written in the same transactions."""

from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The form of the first two tables is the event store library's own (eventsourcing 9.5).
STATEMENTS = """
CREATE TABLE {schema}.stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigserial,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON {schema}.stored_events (notification_id ASC);
-- Founding events only: lists accounts, links, keys and templates without reading the whole log.
CREATE INDEX stored_events_founding_idx ON {schema}.stored_events (topic, notification_id)
    WHERE topic IN ('access.key_issued', 'contract.signed', 'link.configured', 'signature.drafted',
                    'template.drafted', 'vault.day_key_created');
CREATE TYPE {schema}.stored_event_uuid AS
    (originator_id uuid, originator_version bigint, topic text, state bytea);
CREATE TABLE {schema}.notification_tracking (
    application_name text PRIMARY KEY,
    notification_id bigint
);
INSERT INTO {schema}.notification_tracking VALUES ('__migration__', 1);
CREATE TABLE {schema}.sealed_messages (
    day date NOT NULL,
    message_id uuid NOT NULL,
    account text NOT NULL,
    phone_index bytea NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (day, message_id)
) PARTITION BY RANGE (day);
CREATE INDEX sealed_messages_phone_idx ON {schema}.sealed_messages (phone_index, account);
CREATE TABLE {schema}.carrier_parts (
    link text NOT NULL,
    carrier_id text NOT NULL,
    message_id uuid NOT NULL,
    part smallint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX carrier_parts_idx ON {schema}.carrier_parts (carrier_id, link);
CREATE TABLE {schema}.held_receipts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    link text NOT NULL,
    carrier_id text NOT NULL,
    status text NOT NULL,
    error text NOT NULL,
    carrier_time text NOT NULL,
    phone_index bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Make the tables in the schema that the migrations run for."""
    schema = context.config.attributes["schema"]
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement.format(schema=schema))
