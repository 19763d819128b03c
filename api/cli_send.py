"""`smsledger send`: one message or a file of them, through the HTTP interface like any other caller."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import tables
from api.cli_session import AsJson, NothingRuns, what_runs
from domain.errors import BadInput, Refusal
from domain.values import Category

if TYPE_CHECKING:
    from infrastructure.files import Recipient, Recipients

CHUNK = 1_000
"""Messages in a call, the most the interface takes."""
_MOST_OCTETS = 1_500_000
_ITEM_OCTETS = 300
_MOST_SHOWN = 50
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


class ApiSilent(Exception):  # noqa: N818
    """The HTTP interface does not answer, or not as it should; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is sent where a row does not say otherwise."""

    signature: str
    text: str = ""
    template: str = ""
    category: Category | None = None
    extension: str = ""

    def fields(self) -> dict[str, Any]:
        """As the interface wants it: what is not given is left out."""
        given = {
            "signature": self.signature,
            "text": self.text,
            "template": self.template,
            "category": self.category,
            "extension": self.extension,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """A line of the file that was not accepted; the number is masked."""

    line: int
    phone: str
    code: str
    detail: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of a file. accepted + refused = its rows; `replayed` had been accepted before."""

    batch: str
    rows: int = 0
    accepted: int = 0
    replayed: int = 0
    segments: int = 0
    included: int = 0
    overage: int = 0
    refused: list[RefusedLine] = field(default_factory=list)


class Client:
    """The HTTP interface of one key. Raises a Refusal for a problem, ApiSilent where nobody answers."""

    def __init__(self, url: str, key: str) -> None:
        import httpx

        self._url = url
        self._errors = httpx.HTTPError
        # Only our own interface is called: a proxy of the environment would not know it.
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - a JSON document
        """The document at a path."""
        return self._ask("GET", path, params=parameters)

    def post(self, path: str, body: object, *, key: str = "") -> Any:  # noqa: ANN401 - a JSON document
        """The answer to a document, sent under an idempotency key if one is given."""
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def _ask(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401
        try:
            answer = self._http.request(method, path, **options)
            document = answer.json()
        except self._errors as error:
            raise ApiSilent(f"the API at {self._url} does not answer ({type(error).__name__})") from None
        except ValueError:
            raise ApiSilent(f"what answers at {self._url} is not the API of smsledger") from None
        if answer.is_success:
            return document
        if not isinstance(document, dict) or "code" not in document:
            raise ApiSilent(f"what answers at {self._url} is not the API of smsledger")
        raise Refusal(document["code"], document.get("detail", ""), field=document.get("field"))


def send_file(
    client: Client,
    recipients: "Recipients",
    *,
    batch: str,
    content: Content,
    allow_duplicates: bool = False,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Send every row, a thousand a call. Line numbers are the idempotency keys: doing it again adds nothing."""
    report = Report(batch=batch, rows=len(recipients.rows) + len(recipients.bad_lines))
    report.refused += [
        RefusedLine(line=bad.line, phone="", code=bad.code, detail=bad.detail) for bad in recipients.bad_lines
    ]
    for rows in _chunks(recipients.rows):
        body = {
            **content.fields(),
            "batch": batch,
            "allow_duplicates": allow_duplicates,
            "messages": [_item(row, batch) for row in rows],
        }
        _add(report, rows, client.post("/v1/messages/bulk", body))
        progress(report)
    report.refused.sort(key=lambda refused: refused.line)
    return report


def _chunks(rows: "Sequence[Recipient]") -> "Iterator[Sequence[Recipient]]":
    """Calls of at most a thousand rows, and of so few octets that the interface takes them."""
    chunk: list[Recipient] = []
    octets = 0
    for row in rows:
        size = _ITEM_OCTETS + 4 * (len(row.text) + sum(map(len, row.variables.values())))
        if chunk and (len(chunk) == CHUNK or octets + size > _MOST_OCTETS):
            yield chunk
            chunk, octets = [], 0
        chunk.append(row)
        octets += size
    if chunk:
        yield chunk


def _item(row: "Recipient", batch: str) -> dict[str, Any]:
    """A row as the interface wants it: one with a text of its own takes no template and no variables."""
    given = {
        "text": row.text,
        "template": "" if row.text else row.template,
        "variables": {} if row.text else row.variables,
        "client_reference": row.client_reference,
        "extension": row.extension,
    }
    return {
        "phone": row.phone,
        "id": f"{batch}/{row.line}",
        **{name: value for name, value in given.items() if value},
    }


def _add(report: Report, rows: "Sequence[Recipient]", answer: dict[str, Any]) -> None:
    totals = answer["totals"]
    report.accepted += totals["accepted"]
    report.replayed += totals["replayed"]
    report.segments += totals["segments"]
    report.included += totals["included"]
    report.overage += totals["overage"]
    for outcome in answer["outcomes"]:
        if outcome["status"] == "refused":
            row, error = rows[outcome["index"]], outcome["error"]
            report.refused.append(
                RefusedLine(
                    line=row.line, phone=masked(row.phone), code=error["code"], detail=error["detail"]
                )
            )


def masked(phone: str) -> str:
    """What somebody wrote as a number, enough of it to find it again in his own file."""
    if len(phone) < 8:
        return phone[:1] + "*" * (len(phone) - 1)
    return f"{phone[:3]}****{phone[-4:]}"


def batch_name(recipients: "Recipients", content: Content) -> str:
    """The same file with the same content is the same batch: sending it again by mistake adds nothing."""
    parts = [recipients.digest, content.signature, content.text, content.template]
    said = "\x1f".join([*parts, content.extension] if content.extension else parts)
    # Letters only: a run of digits might look like a phone number, which no name of a batch may carry.
    return f"file-{sha256(said.encode()).hexdigest()[:16].translate(_LETTERS)}"


def command(
    signature: Annotated[str, typer.Option(help="An approved signature, without brackets.")],
    to: Annotated[str, typer.Option(metavar="PHONE", help="One phone number.")] = "",
    file: Annotated[Path | None, typer.Option(help="A CSV: phone, then the template's variables.")] = None,
    text: Annotated[str, typer.Option(help="The text, without the signature.")] = "",
    template: Annotated[str, typer.Option(help="Code of an approved template.")] = "",
    var: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable.")] = None,
    category: Annotated[Category | None, typer.Option(help="What a free text is for.")] = None,
    extension: Annotated[
        str, typer.Option(metavar="DIGITS", help="Digits that its number shall end with; replies have them.")
    ] = "",
    batch: Annotated[str, typer.Option(help="Name of the batch; the file's digest by default.")] = "",
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="The same text to the same number twice is meant.")
    ] = False,
    key: Annotated[
        str, typer.Option("--idempotency-key", help="Of a single message, to repeat it safely.")
    ] = "",
    api_key: Annotated[str, typer.Option(help="Better: the variable SMSLEDGER_API_KEY.")] = "",
    url: Annotated[str, typer.Option(help="Where the API is; else SMSLEDGER_URL, or what runs here.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send one message, or one to every row of a file; sending a file again adds nothing."""
    if bool(to) == (file is not None):
        raise BadInput("to_or_file", "Say either --to PHONE or --file FILE.")
    content = Content(
        signature=signature, text=text, template=template, category=category, extension=extension
    )
    with _client(url, api_key) as client:
        if file is None:
            body = {**content.fields(), "phone": to, "variables": _variables(var or ())}
            answer = client.post("/v1/messages", body, key=key)
            tables.show_one(answer, as_json=as_json)
            return
        _send_file(client, file, content, batch, allow_duplicates=allow_duplicates, as_json=as_json)


def _client(url: str, api_key: str) -> Client:
    """The interface that was named, or that of what runs here."""
    from infrastructure.settings import load

    settings = load()
    key = api_key or settings.api_key
    if not key:
        raise BadInput(
            "key_missing", "Give an API key by SMSLEDGER_API_KEY; `smsledger key issue` makes one."
        )
    where = url or settings.url
    if not where:
        running = what_runs(settings)
        if running is None:
            raise NothingRuns("nothing runs here: start `smsledger up`, or set SMSLEDGER_URL")
        where = running.http_url
    return Client(where, key)


def _variables(pairs: Sequence[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if not all(equals for _, equals, _ in split):
        raise BadInput("variable_invalid", "A variable is NAME=VALUE.")
    return {name: value for name, _, value in split}


def _send_file(
    client: Client, file: Path, content: Content, batch: str, *, allow_duplicates: bool, as_json: bool
) -> None:
    from infrastructure.files import read_recipients

    recipients = read_recipients(file)
    name = batch or batch_name(recipients, content)
    with tables.progress_bar() as bar:
        task = bar.add_task("sending", total=len(recipients.rows))
        report = send_file(
            client,
            recipients,
            batch=name,
            content=content,
            allow_duplicates=allow_duplicates,
            progress=lambda so_far: bar.update(task, completed=so_far.accepted + len(so_far.refused)),
        )
    _show_report(report, as_json=as_json)
    if report.refused:
        raise typer.Exit(1)


def _show_report(report: Report, *, as_json: bool) -> None:
    refused = [
        {"line": one.line, "phone": one.phone, "code": one.code, "detail": one.detail}
        for one in report.refused
    ]
    totals = {
        "batch": report.batch,
        "rows": report.rows,
        "accepted": report.accepted,
        "of_them_before": report.replayed,
        "refused": len(refused),
        "segments": report.segments,
        "included": report.included,
        "overage": report.overage,
    }
    if as_json:
        tables.write_json({**totals, "refused_lines": refused})
        return
    tables.show_one(totals, as_json=False)
    show_refused(refused)


def show_refused(refused: Sequence[tables.Row], *, most: int = _MOST_SHOWN) -> None:
    """The lines that were not accepted, the first of them at least."""
    if refused:
        columns = {"line": "line", "phone": "phone", "code": "code", "detail": "what to do"}
        tables.console().print(tables.table(columns, refused[:most], title="refused lines"))
    if len(refused) > most:
        tables.console().print(f"… and {len(refused) - most:,} more; --json has them all")
