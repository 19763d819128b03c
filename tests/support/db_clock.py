"""A database whose clock a test sets: days and years are its to say, so the turn of the year can be had at any time.

A function of the same name stands before the server's own in the search path of every new connection.
"""

from datetime import datetime

import psycopg

_SETUP = """
CREATE SCHEMA IF NOT EXISTS set_clock;
CREATE TABLE IF NOT EXISTS set_clock.moment (at timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION set_clock.clock_timestamp() RETURNS timestamptz
    LANGUAGE sql VOLATILE AS 'SELECT at FROM set_clock.moment';
ALTER DATABASE "{database}" SET search_path = set_clock, pg_catalog, public;
"""


class DatabaseClock:
    """The clock of one database; it stands still until it is set again. Make it before anybody else connects."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._execute(_SETUP)

    def set(self, at: datetime) -> None:
        """It is this moment now, for everybody."""
        text = at.isoformat()
        self._execute(f"TRUNCATE set_clock.moment; INSERT INTO set_clock.moment VALUES ('{text}');")

    def zone(self, name: str) -> None:
        """The time zone of every new session that names none."""
        self._execute(f"ALTER DATABASE \"{{database}}\" SET timezone = '{name}'")

    def _execute(self, statements: str) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(statements.replace("{database}", connection.info.dbname).encode())
