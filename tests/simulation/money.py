"""The auditor's books of money: contracts, ledgers and bills from the log as plain data, by sums of its own.

Every posting is held against what was agreed when it was made: price, allowance, cap. At every version overage is
max(0, net - allowance), and the amount is right to the micro-yuan; at the end so is what reached back.
"""

import json
from calendar import isleap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tests.support.layers import Layers

Fact = Mapping[str, Any]
Agreement = tuple[int, date, int, bool, Fact]
"""Its place in the log, the day it holds from, its number, whether it reaches back, and its terms."""


def wrong(log: Iterable[Any]) -> list[str]:
    """Everything that is wrong with the money of a log of stored events."""
    books = Books()
    for place, row in enumerate(log):
        envelope = json.loads(row.state)
        at = datetime.fromisoformat(envelope["at"])
        day = (at + timedelta(hours=8)).date()
        books.read(place, str(row.originator_id), row.topic, row.originator_version, envelope["fact"], day)
    books.finish()
    return books.found


@dataclass(slots=True)
class Contract:
    """What is agreed with an account, as far as the log was read."""

    signed: Fact
    live_on: date | None = None
    stopped: str = ""
    amendments: list[Agreement] = field(default_factory=list)

    def terms(self, day: date, *, place: int | None = None) -> Fact:
        """The terms of a day; with a place only what was agreed before it, or afterwards and reaching back."""
        found = self.latest(day, place=place)
        return self.signed if found is None else found[4]

    def latest(self, day: date, *, place: int | None = None) -> Agreement | None:
        held = None
        for one in self.amendments:
            known = place is None or one[3] or one[0] < place
            if known and one[1] <= day and (held is None or one[1:3] > held[1:3]):
                held = one
        return held

    def within_term(self, day: date) -> bool:
        return self.live_on is not None and self.live_on <= day < self.end(day)

    def end(self, day: date) -> date:
        assert self.live_on is not None
        return self.live_on.replace(year=self.live_on.year + int(self.terms(day)["term_years"]))

    def allowance(self, year: int, day: date) -> int:
        """Counted day by day."""
        assert self.live_on is not None
        terms, end = self.terms(day), self.end(day)
        first = date(year, 1, 1)
        days = sum(
            self.live_on <= first + timedelta(days=number) < end
            for number in range(366 if isleap(year) else 365)
        )
        if terms["partial_years"] == "full":
            return int(terms["allowance_segments"]) if days else 0
        return int(terms["allowance_segments"] * days / (366 if isleap(year) else 365) + 0.5)


@dataclass(slots=True)
class Ledger:
    """One account's year."""

    account: str
    year: int
    version: int = 0
    allowance: int = 0
    net: int = 0
    money: int = 0
    closed: bool = False
    layers: Layers = field(default_factory=Layers)
    debits: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Message and price by posting."""
    prices: dict[str, int] = field(default_factory=dict)
    """The price a message was accepted at."""
    days: dict[str, tuple[int, date]] = field(default_factory=dict)
    """The place in the log and the day of each acceptance."""
    moves: list[tuple[int, str, Fact, date, int]] = field(default_factory=list)
    """Every posting again: place, topic, fact, day and the overage after it."""
    repriced: int = 0
    nets: list[tuple[int, int]] = field(default_factory=list)
    """Net and allowance after each posting."""


@dataclass(slots=True)
class Books:
    """Reads the log in order."""

    contracts: dict[str, Contract] = field(default_factory=dict)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    alarms: dict[tuple[str, int], list[Fact]] = field(default_factory=lambda: defaultdict(list))
    found: list[str] = field(default_factory=list)

    def read(self, place: int, stream: str, topic: str, version: int, fact: Fact, day: date) -> None:
        """The next event."""
        noun, what = topic.split(".")
        if noun == "contract":
            self._contract(place, stream, what, fact)
        elif noun == "ledger":
            ledger = self.ledgers.get(stream)
            if ledger is None:
                ledger = self.ledgers[stream] = Ledger(fact["account"], fact["year"])
            self._post(place, ledger, what, version, fact, day)
        elif topic == "message.accepted":
            self._accepted(fact, day)
        elif topic == "alarm.raised":
            self.alarms[fact["account"], fact["year"]].append(fact)

    def _contract(self, place: int, stream: str, what: str, fact: Fact) -> None:
        if what == "signed":
            self.accounts[stream] = fact["account"]
            self.contracts[fact["account"]] = Contract(fact["terms"])
            return
        contract = self.contracts[self.accounts[stream]]
        if what == "went_live":
            contract.live_on = date.fromisoformat(fact["on"])
        elif what in ("suspended", "ended"):
            contract.stopped = what
        elif what == "resumed":
            contract.stopped = ""
        elif what == "amended":
            if len(set(fact["approved_by"])) < 2:
                self.found.append(f"amendment {fact['number']} is approved by {fact['approved_by']}")
            since = date.fromisoformat(fact["effective_from"])
            contract.amendments.append((place, since, fact["number"], fact["retroactive"], fact["terms"]))

    def _accepted(self, fact: Fact, day: date) -> None:
        contract = self.contracts[fact["account"]]
        if contract.stopped or not contract.within_term(day):
            self.found.append(f"accepted on {day}: {contract.stopped or 'outside the term'}")
        if fact["charged"]["year"] != day.year:
            self.found.append(f"accepted on {day}, charged to {fact['charged']['year']}")

    # Postings.

    def _post(self, place: int, ledger: Ledger, what: str, version: int, fact: Fact, day: date) -> None:
        name = f"{ledger.account} {ledger.year} posting {version}"
        if version != ledger.version + 1 or (what == "opened") != (version == 1):
            self.found.append(f"{name}: {what} after version {ledger.version}")
        ledger.version = version
        price = 0
        for problem in self._apply(place, ledger, what, fact, day):
            if isinstance(problem, int):
                price = problem
            else:
                self.found.append(f"{name}: {problem}")
        ledger.layers.move(max(0, ledger.net - ledger.allowance), price)
        ledger.moves.append((place, what, fact, day, ledger.layers.segments))
        ledger.nets.append((ledger.net, ledger.allowance))
        self.found += [f"{name}: {problem}" for problem in _totals(ledger, what, fact)]
        if what == "debited" and fact["reason"] == "accepted":
            cap = self.contracts[ledger.account].terms(day)["spending_cap_micros"]
            if cap is not None and fact["overage"] and ledger.layers.micros + ledger.money > cap:
                self.found.append(f"{name}: beyond the cap of {cap}")

    def _apply(self, place: int, ledger: Ledger, what: str, fact: Fact, day: date) -> Iterator[str | int]:
        """Move the ledger; yields what is wrong, and the price of overage that begins or ends."""
        contract = self.contracts[ledger.account]
        within = min(max(day, date(ledger.year, 1, 1)), date(ledger.year, 12, 31))
        if what == "opened":
            ledger.allowance = fact["after"]["allowance"]
            agreed = {contract.allowance(ledger.year, on) for on in (within, date(ledger.year, 1, 1))}
            if ledger.allowance not in agreed:
                yield f"opened with {ledger.allowance}, agreed is {agreed}"
        elif what == "debited":
            yield from self._debited(place, ledger, fact, day)
        elif what == "refunded":
            message, price = ledger.debits.get(fact["debit"], ("", 0))
            if message != fact["message"]:
                yield f"refunds posting {fact['debit']}, which is not its debit"
            ledger.net -= fact["segments"]
            yield price
        elif what == "allowance_changed":
            ledger.allowance += fact["segments"]
            if ledger.allowance != contract.allowance(ledger.year, within):
                yield f"the allowance of {within} is {contract.allowance(ledger.year, within)}"
            yield int(contract.terms(within)["overage_price_micros"])
        elif what == "adjusted":
            ledger.net += fact["segments"]
            ledger.money += fact["amount_micros"]
            if fact["reference"].startswith("amendment "):
                ledger.repriced += fact["amount_micros"]
            yield int(contract.terms(_first_of(fact["period"]))["overage_price_micros"])
        elif what == "closed":
            if day.year <= ledger.year or ledger.closed:
                yield f"closed on {day}"
            if fact["unused"] != max(0, ledger.allowance - ledger.net):
                yield f"expired {fact['unused']} of {ledger.allowance} after {ledger.net}"
            ledger.closed = True

    def _debited(self, place: int, ledger: Ledger, fact: Fact, day: date) -> Iterator[str | int]:
        contract, message = self.contracts[ledger.account], fact["message"]
        if fact["reason"] == "accepted":
            price = int(contract.terms(day)["overage_price_micros"])
            ledger.prices[message], ledger.days[message] = price, (place, day)
            if day.year != ledger.year:
                yield f"a debit of {day}"
            if ledger.allowance != contract.allowance(ledger.year, day):
                yield f"the allowance on {day} is {contract.allowance(ledger.year, day)}"
        else:
            price = ledger.prices[message]
        if fact["price_micros"] != price:
            yield f"the price is {price}, not {fact['price_micros']}"
        ledger.debits[ledger.version] = message, price
        ledger.net += fact["segments"]
        yield price

    # The end.

    def finish(self) -> None:
        """What must be true once nothing more happens."""
        for ledger in self.ledgers.values():
            due = self._due(ledger)
            owed = due - ledger.layers.micros
            if owed != ledger.repriced:
                self.found.append(
                    f"{ledger.account} {ledger.year}: reaching back changes {owed}, posted is {ledger.repriced}"
                )
        for (account, year), raised in self.alarms.items():
            self.found += self._alarms(account, year, raised)

    def _due(self, ledger: Ledger) -> int:
        """What the year's overage would cost, had everybody known from the beginning what was agreed in the end."""
        contract = self.contracts[ledger.account]
        due, prices, debits = Layers(), dict[str, int](), dict[int, int]()
        for version, (place, what, fact, day, overage) in enumerate(ledger.moves, 1):
            within = min(day, date(ledger.year, 12, 31))
            price = 0
            if what == "debited":
                message = fact["message"]
                if message not in prices:
                    latest = contract.latest(day, place=place)
                    later = latest is not None and latest[3] and latest[0] > place
                    terms = latest[4] if latest is not None and later else None
                    prices[message] = terms["overage_price_micros"] if terms else fact["price_micros"]
                price = debits[version] = prices[message]
            elif what == "refunded":
                price = debits[fact["debit"]]
            elif what == "allowance_changed":
                price = contract.terms(within, place=place)["overage_price_micros"]
            elif what == "adjusted":
                price = contract.terms(_first_of(fact["period"]), place=place)["overage_price_micros"]
            due.move(overage, price)
        return due.micros

    def _alarms(self, account: str, year: int, raised: list[Fact]) -> Iterator[str]:
        levels = [fact["percent"] for fact in raised]
        if len(levels) != len(set(levels)):
            yield f"{account} {year}: alarms {levels}"
        (ledger,) = [one for one in self.ledgers.values() if (one.account, one.year) == (account, year)]
        for fact in raised:
            net, allowance = ledger.nets[fact["posting"] - 1]
            if net * 100 < allowance * fact["percent"]:
                yield f"{account} {year}: an alarm of {fact['percent']} at {net} of {allowance}"


def _totals(ledger: Ledger, what: str, fact: Fact) -> Iterator[str]:
    after = fact["after"]
    overage = max(0, ledger.net - ledger.allowance)
    mine = (ledger.allowance, ledger.net, overage, ledger.layers.micros, ledger.money, ledger.closed)
    theirs = tuple(
        after[name] for name in ("allowance", "net", "overage", "amount_micros", "adjusted_micros", "closed")
    )
    if mine != theirs:
        yield f"{what}: {theirs}, not {mine}"
    if ledger.layers.segments != overage:
        yield f"{what}: {ledger.layers.segments} segments of layers, {overage} of overage"
    mixed = [(part["price_micros"], part["segments"]) for part in after["mixed"]]
    if mixed != (ledger.layers.layers if len(ledger.layers.layers) > 1 else []):
        yield f"{what}: by price {mixed}, not {ledger.layers.layers}"
    if "included" in fact and fact["included"] + fact["overage"] != fact["segments"]:
        yield f"{what} is split wrongly"


def _first_of(period: str) -> date:
    return date(int(period[:4]), int(period[5:] or 1), 1)
