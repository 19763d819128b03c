"""Settings come from the environment or a file, and what is wrong with them is said in words, without values."""

import os
from pathlib import Path

import pytest

from infrastructure import settings
from infrastructure.settings import SettingsError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SMSLEDGER_"):
            monkeypatch.delenv(name)


def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = tmp_path / "smsledger.toml"
    file.write_text(text)
    monkeypatch.setenv("SMSLEDGER_CONFIG", str(file))


def test_without_anything_the_defaults_hold():
    found = settings.load()
    assert (found.database_url, found.db_schema, found.http_port) == ("", "smsledger", 8080)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path, monkeypatch):
    config(tmp_path, monkeypatch, "http_port = 9001\npool_size = 9\n")
    monkeypatch.setenv("SMSLEDGER_HTTP_PORT", "9002")
    found = settings.load()
    assert (found.http_port, found.pool_size, found.job_messages) == (9002, 9, settings.load().job_messages)


def test_an_argument_wins_over_everything(monkeypatch):
    monkeypatch.setenv("SMSLEDGER_HTTP_PORT", "9002")
    assert settings.load(http_port=9003).http_port == 9003


def test_leases_and_queues_of_the_default_schema_have_the_names_that_earlier_versions_gave_them():
    assert settings.load().realm == ""
    assert settings.load(db_schema="other").realm == "other:"


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(Exception, match="frozen"):
        settings.load().http_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMSLEDGER_HTTP_PORT", "many"),
        ("SMSLEDGER_HTTP_PORT", "70000"),
        ("SMSLEDGER_POOL_SIZE", "0"),
        ("SMSLEDGER_DB_SCHEMA", "bad; drop"),
        ("SMSLEDGER_DATABASE_URL", "mysql://secret@db"),
        ("SMSLEDGER_REDIS_URL", "http://secret@cache"),
        ("SMSLEDGER_LOG_LEVEL", "chatty"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refused:
        settings.load()
    assert "secret" not in str(refused.value)


def test_every_fault_has_its_own_line(monkeypatch):
    monkeypatch.setenv("SMSLEDGER_HTTP_PORT", "many")
    monkeypatch.setenv("SMSLEDGER_POOL_SIZE", "0")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    lines = str(refused.value).splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["SMSLEDGER_HTTP_PORT", "SMSLEDGER_POOL_SIZE"]


def test_a_variable_nobody_knows_is_refused_since_it_is_probably_misspelt(monkeypatch):
    monkeypatch.setenv("SMSLEDGER_HTTP_PROT", "9000")
    with pytest.raises(SettingsError, match="SMSLEDGER_HTTP_PROT"):
        settings.load()


def test_a_line_of_the_file_nobody_knows_is_refused(tmp_path, monkeypatch):
    config(tmp_path, monkeypatch, "http_prot = 9000\n")
    with pytest.raises(SettingsError, match="HTTP_PROT"):
        settings.load()


def test_a_file_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSLEDGER_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match="SMSLEDGER_CONFIG"):
        settings.load()


def test_a_file_that_is_no_toml_is_refused_with_the_place_of_the_fault(tmp_path, monkeypatch):
    config(tmp_path, monkeypatch, "http_port = \n")
    with pytest.raises(SettingsError, match=r"SMSLEDGER_CONFIG.*line 1"):
        settings.load()


def test_a_file_in_another_coding_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "smsledger.toml"
    file.write_bytes("log_level = '测试'".encode("gbk"))
    monkeypatch.setenv("SMSLEDGER_CONFIG", str(file))
    with pytest.raises(SettingsError, match="SMSLEDGER_CONFIG"):
        settings.load()


def test_both_spellings_of_a_postgresql_url_are_taken(monkeypatch):
    for url in ("postgres://u@h/d", "postgresql://u@h/d"):
        monkeypatch.setenv("SMSLEDGER_DATABASE_URL", url)
        assert settings.load().database_url == url
