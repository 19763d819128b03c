"""Migrations run once, whoever starts them and however many at the same time; running them again is harmless."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from infrastructure import migrations, schema_version

TABLES = {
    "stored_events",
    "notification_tracking",
    "sealed_messages",
    "sealed_replies",
    "carrier_parts",
    "held_receipts",
    "schema_version",
}


def tables(database_url: str, schema: str = "smsledger") -> set[str]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,)
        ).fetchall()
    return {row[0] for row in rows}


def versions(database_url: str, schema: str = "smsledger") -> list[str]:
    with psycopg.connect(database_url) as connection:
        query = psycopg.sql.SQL("SELECT version_num FROM {}.schema_version")
        return [row[0] for row in connection.execute(query.format(psycopg.sql.Identifier(schema)))]


def test_an_empty_database_gets_every_table(empty_database_url):
    migrations.upgrade(empty_database_url)
    assert tables(empty_database_url) >= TABLES
    assert versions(empty_database_url) == [schema_version.newest()]


def test_running_them_again_changes_nothing(empty_database_url):
    migrations.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("INSERT INTO smsledger.notification_tracking VALUES ('me', 7)")
    before = versions(empty_database_url)
    migrations.upgrade(empty_database_url)
    assert versions(empty_database_url) == before
    with psycopg.connect(empty_database_url) as connection:
        kept = connection.execute(
            "SELECT notification_id FROM smsledger.notification_tracking WHERE application_name = 'me'"
        ).fetchone()
    assert kept == (7,)


def test_several_that_run_at_once_wait_for_each_other(empty_database_url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrations.upgrade, [empty_database_url] * 4))
    assert len(versions(empty_database_url)) == 1
    assert tables(empty_database_url) >= TABLES


def test_two_schemas_of_one_database_are_migrated_apart(empty_database_url):
    for schema in ("one", "two"):
        migrations.upgrade(empty_database_url, schema=schema)
    assert tables(empty_database_url, "one") == tables(empty_database_url, "two") >= TABLES
    assert tables(empty_database_url) == set()


def test_the_short_spelling_of_the_url_is_taken(empty_database_url):
    migrations.upgrade(empty_database_url.replace("postgresql://", "postgres://", 1))
    assert tables(empty_database_url) >= TABLES


def test_a_migration_that_fails_leaves_no_lock_and_no_half(empty_database_url):
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA smsledger")
        connection.execute("CREATE TABLE smsledger.held_receipts (in_the_way int)")
    with pytest.raises(Exception, match="held_receipts"):
        migrations.upgrade(empty_database_url)
    assert tables(empty_database_url) <= {"held_receipts", "schema_version"}
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE smsledger.held_receipts")
    migrations.upgrade(empty_database_url)
    assert tables(empty_database_url) >= TABLES
