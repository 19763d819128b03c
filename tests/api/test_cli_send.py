"""`smsledger send` against a real API on a real port."""

from pathlib import Path

import pytest

from api.cli_send import CHUNK, Content, batch_name, masked
from infrastructure.files import read_recipients
from tests.support.door import Door
from tests.support.read_models import catch_up
from tests.support.sample import NOTICE_TEMPLATE, SIGNATURE
from tests.support.terminal import Terminal

HEADING = "手机号,姓名,金额\n"


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, own_door: Door
) -> Terminal:
    """A terminal with the key and the address of an API."""
    return Terminal(
        monkeypatch,
        capfd,
        data_dir=str(tmp_path),
        api_key=own_door.sample.token,
        url=f"http://127.0.0.1:{own_door.port}",
    )


def bill_of(path: Path, *rows: str) -> Path:
    """A file of recipients."""
    path.write_text(HEADING + "".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def send_file(terminal: Terminal, file: Path, *more: str) -> object:
    """Send it with the template of notices."""
    return terminal("send", "--file", file, "--signature", SIGNATURE, "--template", NOTICE_TEMPLATE, *more)


def test_one_message_is_accepted_and_shown(terminal: Terminal):
    said = terminal("send", "--to", "13800138000", "--signature", SIGNATURE, "--text", "您好", "--json")
    assert said.code == 0
    assert (said.document["status"], said.document["segments"]) == ("accepted", 1)


def test_digits_are_asked_for_of_one_message_and_of_the_rows_of_a_file(
    terminal: Terminal, tmp_path: Path, own_door: Door
):
    def asked_for() -> list[str]:
        listed = own_door.client.get("/v1/messages").json()["messages"]
        return sorted(own_door.client.get(f"/v1/messages/{one['id']}").json()["extension"] for one in listed)

    said = ("--signature", SIGNATURE, "--text", "您好", "--extension", "2048")
    assert terminal("send", "--to", "13800138000", *said).code == 0
    file = tmp_path / "rows.csv"
    file.write_text("手机号,扩展码\n13800138001,7\n13800138002,\n", encoding="utf-8")
    assert terminal("send", "--file", file, *said).code == 0
    catch_up(own_door.platform)
    assert asked_for() == ["2048", "2048", "7"]
    wrong = terminal("send", "--to", "13800138000", *said[:-1], "1x")
    assert (wrong.code, wrong.err.partition(":")[0]) == (2, "extension_unfit")


def test_the_same_file_with_other_digits_is_another_batch(tmp_path: Path):
    recipients = read_recipients(bill_of(tmp_path / "bill.csv", "13800138000,王小明,1.00"))
    digits = ("", "1", "2")
    assert len({batch_name(recipients, Content(signature="x", extension=each)) for each in digits}) == 3


def test_variables_fill_a_template(terminal: Terminal):
    options = ("--template", NOTICE_TEMPLATE, "--var", "name=王小明", "--var", "amount=12.50")
    said = terminal("send", "--to", "13000130000", "--signature", SIGNATURE, *options)
    assert said.code == 0


def test_a_refusal_of_the_platform_is_one_line_with_its_code(terminal: Terminal):
    said = terminal("send", "--to", "12345", "--signature", SIGNATURE, "--text", "您好")
    assert (said.code, said.err.partition(":")[0]) == (2, "invalid_phone")


def test_a_file_reports_refused_lines_by_number_with_masked_phones(terminal: Terminal, tmp_path: Path):
    file = bill_of(
        tmp_path / "bill.csv", "13800138000,王小明,1.00", "2380013800,李晓华,2.00", "18900189000,,3.00"
    )
    said = send_file(terminal, file, "--json")
    assert said.code == 1
    report = said.document
    assert (report["rows"], report["accepted"], report["refused"]) == (3, 1, 2)
    assert [(line["line"], line["code"]) for line in report["refused_lines"]] == [
        (3, "invalid_phone"),
        (4, "template_variable_missing"),
    ]
    assert "18900189000" not in said.out


def test_the_same_file_again_adds_nothing(terminal: Terminal, tmp_path: Path, own_door: Door):
    file = bill_of(tmp_path / "bill.csv", "13800138000,王小明,1.00", "13000130000,李晓华,2.00")
    first = send_file(terminal, file, "--json").document
    again = send_file(terminal, file, "--json").document
    assert (first["accepted"], first["of_them_before"]) == (2, 0)
    assert (again["accepted"], again["of_them_before"]) == (2, 2)


def test_a_file_of_more_rows_than_a_call_takes_is_sent_in_several(terminal: Terminal, tmp_path: Path):
    rows = [f"1380013{number:04d},王小明,1.00" for number in range(CHUNK + 5)]
    report = send_file(terminal, bill_of(tmp_path / "long.csv", *rows), "--json").document
    assert (report["accepted"], report["refused"]) == (CHUNK + 5, 0)


def test_long_texts_are_cut_into_calls_that_the_api_takes(terminal: Terminal, tmp_path: Path):
    rows = [f"1380013{number:04d},{'长' * 900}" for number in range(900)]
    file = tmp_path / "texts.csv"
    file.write_text("phone,text\n" + "\n".join(rows), encoding="utf-8")
    said = terminal("send", "--file", file, "--signature", SIGNATURE, "--json")
    assert (said.document["accepted"], said.document["refused"]) == (900, 0)


def test_a_file_that_is_not_there_is_refused(terminal: Terminal, tmp_path: Path):
    said = send_file(terminal, tmp_path / "none.csv")
    assert (said.code, said.err.partition(":")[0]) == (2, "file_missing")


def test_without_a_key_the_way_to_one_is_named(terminal: Terminal):
    terminal.set("SMSLEDGER_API_KEY", "")
    said = terminal("send", "--to", "13800138000", "--signature", SIGNATURE, "--text", "您好")
    assert said.code == 2
    assert "smsledger key issue" in said.err


def test_an_api_that_does_not_answer_is_one_clear_line(terminal: Terminal):
    said = terminal(
        "send",
        "--url",
        "http://127.0.0.1:1",
        "--to",
        "13800138000",
        "--signature",
        SIGNATURE,
        "--text",
        "您好",
    )
    assert said.code == 1
    assert said.err == "the API at http://127.0.0.1:1 does not answer (ConnectError)\n"


def test_another_text_makes_another_batch_of_the_same_file(tmp_path: Path):
    recipients = read_recipients(bill_of(tmp_path / "bill.csv", "13800138000,王小明,1.00"))
    names = {batch_name(recipients, Content(signature=SIGNATURE, text=text)) for text in ("一", "二")}
    assert len(names) == 2
    assert not any(character.isdigit() for name in names for character in name)


@pytest.mark.parametrize(("phone", "shown"), [("13800138000", "138****8000"), ("12345", "1****"), ("", "")])
def test_a_refused_number_is_shown_masked(phone: str, shown: str):
    assert masked(phone) == shown
