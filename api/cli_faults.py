"""What a person can put right, in one sentence instead of a traceback.

Errors are known by name, because importing their libraries only to compare would cost a second.
"""

_OWN_WORDS = frozenset(
    {
        "api.cli_send.ApiSilent",
        "api.cli_session.NothingRuns",
        "infrastructure.embedded_folder.EmbeddedServersError",
        "infrastructure.settings.SettingsError",
        "infrastructure.simulator.carriers.PortTaken",
        "infrastructure.stack.StackError",
        "infrastructure.supervisor.NotReady",
        "projections.rebuild.AlreadyRunning",
    }
)
_NOT_MIGRATED = "the database has no tables of this version yet: run `smsledger migrate`"
_NO_DATABASE = "the database does not answer: is it running where SMSLEDGER_DATABASE_URL says?"
_SENTENCES = {
    "psycopg.errors.UndefinedTable": _NOT_MIGRATED,
    "psycopg.errors.InvalidSchemaName": _NOT_MIGRATED,
    "eventsourcing.persistence.ProgrammingError": _NOT_MIGRATED,
    "psycopg.OperationalError": _NO_DATABASE,
    "eventsourcing.persistence.OperationalError": _NO_DATABASE,
    "eventsourcing.persistence.InterfaceError": _NO_DATABASE,
    "sqlalchemy.exc.OperationalError": _NO_DATABASE,
    "redis.exceptions.ConnectionError": "Redis does not answer: is it running where SMSLEDGER_REDIS_URL says?",
}


def explain(error: Exception) -> str | None:
    """A sentence for what a person can put right; None for a fault of ours, which keeps its traceback."""
    for kind in type(error).__mro__:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in _OWN_WORDS:
            return str(error)
        if name in _SENTENCES:
            return _SENTENCES[name]
    return None
