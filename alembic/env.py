"""Alembic's environment: a connection is handed in by infrastructure/migrations.py, never a URL in a file."""

from alembic import context

config = context.config
schema = config.attributes["schema"]
connection = config.attributes["connection"]

context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema=schema,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
