"""The documents say what is true: settings, the hashed octets, links and the twin of the README are checked."""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote
from uuid import UUID

import pytest
import typer
from pydantic.fields import FieldInfo

from api.app import PARTS
from api.cli import app
from application.prove_ledgers import Proof
from domain.aggregates.ledger import Ledger
from domain.events import TOPICS
from domain.events.ledger import DebitReason, LedgerEvent, RefundReason
from domain.recorded import Context, Recorded
from domain.values import message_id
from infrastructure.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) +(.+?)\s*$", re.MULTILINE)


def read(name: str) -> str:
    """A document of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def documents() -> list[str]:
    """Every Markdown file that belongs to the project, tracked or about to be."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard", "*.md"]
    try:
        found = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this tree is not a git checkout")
    return sorted(name for name in found.split("\0") if name and (ROOT / name).is_file())


def prose(text: str) -> str:
    """A document without its code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


# Settings


def settings_table() -> str:
    """The table of docs/operations.md as the code says it."""
    lines = ["| variable | default | allowed | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in ("", None) else f"`{field.default}`"
        lines.append(
            f"| `SMSLEDGER_{name.upper()}` | {default or '–'} | {_allowed(field)} | {field.description} |"
        )
    return "\n".join(lines)


def _allowed(field: FieldInfo) -> str:
    """The bounds or the pattern of a setting."""
    rules = {
        name: getattr(rule, name)
        for rule in field.metadata
        for name in ("ge", "le", "pattern")
        if getattr(rule, name, None) is not None
    }
    if "pattern" in rules:
        return "`" + rules["pattern"].replace("|", "\\|") + "`"
    least, most = rules.get("ge"), rules.get("le")
    if least is None:
        return "–"
    return f"{least} and more" if most is None else f"{least} to {most}"


def test_the_table_of_settings_is_that_of_the_code():
    shown = re.search(
        r"<!-- settings:.*?-->\n\n(.*?)\n\n<!-- /settings -->", read("docs/operations.md"), re.DOTALL
    )
    assert shown is not None
    assert shown[1] == settings_table(), f"the table has to be:\n\n{settings_table()}\n"


def test_every_variable_a_document_names_is_a_setting():
    known = {f"SMSLEDGER_{name.upper()}" for name in Settings.model_fields}
    known |= {"SMSLEDGER_CONFIG", "SMSLEDGER_NAME"}
    strange = {
        (name, variable)
        for name in documents()
        for variable in re.findall(r"SMSLEDGER_[A-Z_]+", read(name))
        if variable not in known
    }
    assert strange == set()


# The ledger chain


def worked_example(number: int = 0) -> list[tuple[str, str]]:
    """The hashed lines of an example of docs/ledger-chain.md, each with its hash."""
    block = [code for kind, code in FENCE.findall(read("docs/ledger-chain.md")) if kind == "text"][number]
    pairs = [pair.split("\n") for pair in block.strip().split("\n\n")]
    return [(line, chain) for line, chain in pairs]


def example_postings() -> Iterator[tuple[LedgerEvent, datetime]]:
    """The postings the document tells of, made by the ledger itself."""
    account = "shili-keji"
    first, second = message_id(account, "order-1001"), message_id(account, "order-1002")
    at = datetime(2026, 3, 2, 1, 30, 0, 125_000, tzinfo=UTC)
    ledger = Ledger(account=account, year=2026)

    def posted(made: tuple[LedgerEvent, ...], moment: datetime) -> tuple[LedgerEvent, datetime]:
        nonlocal ledger
        ledger = ledger.after_posting(made[0])
        return made[0], moment

    def debit(message: UUID, moment: datetime) -> tuple[LedgerEvent, datetime]:
        made = ledger.debit(
            message=message, reason=DebitReason.ACCEPTED, segments=2, price_micros=38_000, at=moment
        )
        return posted(made, moment)

    yield posted(ledger.open(allowance=3, at=at), at)
    yield debit(first, at)
    yield debit(second, at + timedelta(seconds=1))
    expired = datetime(2026, 3, 2, 1, 40, tzinfo=UTC)
    refund = ledger.refund(
        message=first,
        debit=2,
        reason=RefundReason.EXPIRED,
        segments=2,
        price_micros=38_000,
        at=expired,
    )
    yield posted(refund, expired)
    over = datetime(2026, 12, 31, 16, tzinfo=UTC)
    yield posted(ledger.close(at=over), over)


@pytest.mark.parametrize(("number", "lengths"), [(0, [18] * 5), (1, [18, 18, 22, 22, 22])])
def test_each_hash_of_the_worked_examples_is_that_of_its_line(number: int, lengths: list[int]):
    chain = ""
    for (line, written), length in zip(worked_example(number), lengths, strict=True):
        before, *fields = line.split("|")
        assert (before, len(fields) + 1) == (chain, length)
        chain = sha256(line.encode()).hexdigest()
        assert chain == written


def mixed_postings() -> list[LedgerEvent]:
    """The postings of the example with mixed prices, made by the ledger itself."""
    account = "shili-keji"
    at = datetime(2026, 3, 2, 1, 30, 0, 125_000, tzinfo=UTC)
    ledger, made = Ledger(account=account, year=2026), list[LedgerEvent]()

    def post(events: tuple[LedgerEvent, ...]) -> None:
        nonlocal ledger
        ledger = ledger.after_posting(events[0])
        made.extend(events)

    def debit(key: str, segments: int, price_micros: int, days: int) -> None:
        moment = at + timedelta(days=days)
        id_ = message_id(account, key)
        post(
            ledger.debit(
                message=id_,
                reason=DebitReason.ACCEPTED,
                segments=segments,
                price_micros=price_micros,
                at=moment,
            )
        )

    post(ledger.open(allowance=2, at=at))
    debit("order-1001", 3, 38_000, 0)
    debit("order-1002", 2, 48_000, 30)
    correction = ledger.adjust(
        adjustment=UUID(int=7),
        segments=-1,
        amount_micros=-500_000,
        price_micros=48_000,
        period="2026-03",
        reason="billed twice",
        reference="letter 7",
        requested_by="cli:one",
        approved_by=("cli:two", "cli:three"),
        at=at + timedelta(days=40),
    )
    post(correction)
    post(ledger.change_allowance(allowance=4, amendment=2, price_micros=48_000, at=at + timedelta(days=60)))
    return made


def test_the_ledger_makes_the_chain_of_the_example_with_mixed_prices():
    assert [event.chain for event in mixed_postings()] == [chain for _, chain in worked_example(1)]


def test_the_note_of_the_adjustment_is_the_hash_of_the_words_the_document_names():
    (row,) = re.findall(r"its note is (`.*`)", read("docs/ledger-chain.md"))
    words = "\x1f".join(re.findall(r"`([^`]*)`", row))
    assert worked_example(1)[3][0].endswith(f"|{sha256(words.encode()).hexdigest()}")


def test_the_ledger_makes_the_chain_of_the_worked_example():
    made = [event.chain for event, _ in example_postings()]
    assert made == [chain for _, chain in worked_example()]


def test_the_proof_finds_nothing_in_the_worked_example_but_the_messages_it_leaves_out():
    proof = Proof()
    stream = Ledger(account="shili-keji", year=2026).stream
    for version, (event, at) in enumerate(example_postings(), 1):
        context = Context(actor="example")
        proof.feed(Recorded(stream=stream, version=version, at=at, context=context, event=event))
    assert {found.code for found in proof.findings()} == {"debits_differ", "refunds_differ"}


def test_the_command_of_the_document_hashes_its_first_line():
    (command,) = (code for kind, code in FENCE.findall(read("docs/ledger-chain.md")) if kind == "sh")
    printed = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True, text=True).stdout
    assert printed.split()[0] == worked_example()[0][1]


def test_every_finding_of_the_proof_is_explained():
    code = "".join(
        file.read_text(encoding="utf-8") for file in sorted((ROOT / "application").glob("prove_*.py"))
    )
    codes = set(re.findall(r'_find\(\s*"(\w+)"', code)) | {"debits_differ", "refunds_differ"}
    codes |= set(re.findall(r'(?:code=|_finding\(\s*|_posted\(recorded, |_of\(history\[0\], )"(\w+)"', code))
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", read("docs/operations.md"), re.MULTILINE))
    assert codes == explained


# Links


def anchors(text: str) -> set[str]:
    """The names by which headings can be linked, as GitHub makes them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for _, heading in HEADING.findall(FENCE.sub("", text)))
    return {heading.replace(" ", "-") for heading in kept}


def test_every_link_between_documents_leads_somewhere():
    broken = [
        (name, target)
        for name in documents()
        for target in LINK.findall(prose(read(name)))
        if not target.startswith(("https://", "http://", "mailto:")) and not _leads(name, target)
    ]
    assert broken == []


def _leads(name: str, target: str) -> bool:
    path, _, anchor = unquote(target).partition("#")
    file = (ROOT / name).parent / path if path else ROOT / name
    if not file.exists() or not file.resolve().is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))


def test_every_file_a_document_names_is_there():
    named = re.compile(
        r"`((?:domain|application|projections|infrastructure|api|alembic|tests|bench|docs|examples)/[\w./-]+\.\w+)`"
    )
    missing = [
        (name, path)
        for name in documents()
        for path in named.findall(read(name))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_every_decision_has_its_four_parts():
    for file in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        text = file.read_text(encoding="utf-8")
        parts = [heading for level, heading in HEADING.findall(text) if level == "##"]
        assert parts == ["Context", "Decision", "Alternatives", "Enforced by"], file.name
        assert text.startswith(f"# {file.name[:4]}: "), file.name


# Commands and addresses


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of smsledger that a document shows, with its document."""
    for name in documents():
        text = read(name)
        shown = [code.replace("\\\n", " ") for kind, code in FENCE.findall(text) if kind == "sh"]
        spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for line in "\n".join([*shown, *spans]).splitlines():
            for call in re.findall(r"(?:^|run |=\$\()smsledger( [a-z].*?)\)?$", line.strip()):
                yield name, call.split()


def test_every_command_a_document_shows_exists_with_its_options():
    root = typer.main.get_command(app)
    wrong = [(name, " ".join(words)) for name, words in commands() if not _is_command(root, words)]
    assert wrong == []
    assert len(list(commands())) > 20


def _is_command(command, words: list[str]) -> bool:
    """Whether the words lead to a command, and the command has the options among them."""
    while hasattr(command, "commands"):
        found = command.commands.get(words[0]) if words else None
        if found is None:
            return not words or words == ["--help"]
        command, words = found, words[1:]
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return {word for word in words if word.startswith("--")} <= options | {"--help"}


def test_every_address_a_document_names_is_served():
    served = {getattr(route, "path", "") for part in PARTS for route in part.router.routes}
    served |= {path.partition("/{")[0] for path in served}
    named = {
        (name, path)
        for name in documents()
        for path in re.findall(r"(/(?:v1/[a-z/-]+[a-z]|healthz|readyz|metrics)\b)", read(name))
    }
    assert {(name, path) for name, path in named if path not in served} == set()


# The twin


def test_both_readmes_have_the_same_headings_and_the_same_code():
    english, chinese = read("README.md"), read("README.zh-CN.md")
    levels = [[level for level, _ in HEADING.findall(FENCE.sub("", text))] for text in (english, chinese)]
    assert levels[0] == levels[1]
    assert FENCE.findall(english) == FENCE.findall(chinese)
    assert _targets(english) == _targets(chinese)


def test_the_id_in_the_readme_is_that_of_its_account_and_key():
    readme = read("README.md")
    account = re.search(r"account create (\S+)", readme)
    key = re.search(r"Idempotency-Key: ([^']+)'", readme)
    assert account is not None
    assert key is not None
    assert readme.count(str(message_id(account[1], key[1]))) == 2


def _targets(text: str) -> set[str]:
    """Where a README leads, apart from its twin."""
    return set(LINK.findall(prose(text))) - {"README.md", "README.zh-CN.md"}


def test_every_topic_of_the_log_has_a_noun_in_the_architecture():
    table = read("docs/architecture.md")
    words = {topic.partition(".")[2].replace("_", " ") for topic in TOPICS}
    shown = " ".join(re.findall(r"^\| .*$", table, re.MULTILINE))
    missing = sorted(word for word in words if word.removeprefix("day key ") not in shown)
    assert missing == []
