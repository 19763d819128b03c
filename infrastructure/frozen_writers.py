"""Writers that take the lock of the log and then say nothing more: while they have it nobody else writes.

A process that is frozen, or a machine that vanishes, may be in the middle of a commit. PostgreSQL bounds a transaction
that is idle, but not one whose client is in the middle of a pipeline or of a COPY, so whoever looks ends it.
"""

from infrastructure.lease import Leases

_END = """
SELECT bool_or(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND database = datid AND locktype = 'relation'
    AND relation = to_regclass(%s) AND mode = 'ExclusiveLock' AND granted
    AND wait_event = 'ClientRead' AND query_start < clock_timestamp() - make_interval(secs => %s)
"""
_SILENT_SECONDS = 4.0


def end_frozen_writers(leases: Leases, schema: str, *, silent_seconds: float = _SILENT_SECONDS) -> bool:
    """Whether there was one; it has to try its commit again."""
    return leases.ask(_END, f"{schema}.stored_events", silent_seconds)
