"""The table of links in terminals of every width: what is shown can be read whole."""

import pytest
from rich.console import Console

from api.link_table import picture
from infrastructure.carriers.traffic import LinkPhase
from infrastructure.link_standing import LinkStanding, NetworkStanding
from tests.infrastructure.test_link_standing import NOW, line, told

LOST = told(
    phase=LinkPhase.LOST,
    reason="cannot connect: nobody listens there: is the port right?",
    last_error="cannot connect: nobody listens there: is the port right?",
    last_error_at=NOW.timestamp(),
)
LINKS = [
    LinkStanding(
        line=line(name=name), told=[LOST if "3" in name else told()], queued={"realtime": 12_345, "batch": 0}
    )
    for name in ("mobile-guangdong-1", "mobile-guangdong-2", "mobile-guangdong-3")
]


def drawn(width: int) -> str:
    console = Console(width=width)
    with console.capture() as said:
        console.print(picture(NetworkStanding(links=LINKS), LINKS, at=NOW, connections=False))
    return said.get()


@pytest.mark.parametrize("width", [70, 80, 100, 120, 200])
def test_names_states_and_the_last_error_are_whole_in_every_width(width: int):
    said = drawn(width)
    for link in LINKS:
        assert link.name in said
    assert all(state in said for state in ("ready", "down"))
    assert "…" not in said
    error = " ".join(row.split("│")[-2].strip() for row in said.splitlines() if row.startswith("│"))
    assert "nobody listens there: is the port right?" in error


def test_a_wide_terminal_has_every_column_and_a_narrow_one_the_most_wanted():
    assert "receipt s" in drawn(200)
    narrow = drawn(80)
    assert "receipt s" not in narrow
    assert all(heading in narrow for heading in ("link", "state", "conns", "last error"))
