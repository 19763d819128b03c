#!/usr/bin/env python3
"""Checks a ledger that `smsledger ledger export` wrote. Python's standard library only, nothing of smsledger.

    python3 verify_ledger.py FILE [--key PUBLIC_KEY]

Every posting follows from the one before: number, totals, prices, hash. The last line: totals, and the ledger under
a signed seal; with --key by that Ed25519 key, which you noted elsewhere. Exit code 0: it is true; 1: it is not.
"""

import json
import sys
from hashlib import sha256, sha512

AFTER = ["allowance", "net", "overage", "amount_micros", "closed", "adjusted_micros", "mixed"]
SPLIT = ["segments", "included", "overage", "price_micros"]
WHO = ["reason", "reference", "period", "amount_micros", "requested_by"]
FIELDS = {
    "ledger.opened": [],
    "ledger.debited": ["message", "reason", *SPLIT],
    "ledger.refunded": ["message", "reason", "debit", *SPLIT, "given_back"],
    "ledger.allowance_changed": ["amendment", "segments", "overage", "price_micros", "given_back"],
    "ledger.adjusted": ["adjustment", *SPLIT, *WHO, "approved_by", "given_back"],
    "ledger.closed": ["unused"],
}
SIGNED = ["day", "position", "leaves", "root", "log", "previous", "key"]


def require(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(what)


def same(one: object, other: object) -> bool:
    return json.dumps(one) == json.dumps(other)


class Ledger:
    def __init__(self, header: dict) -> None:
        known = list(header) == ["format", "account", "year"] and header["format"] == "smsledger-ledger-1"
        require(known, "the header is not known")
        self.account, self.year = header["account"], header["year"] + 0
        self.after = dict(zip(AFTER, [0, 0, 0, 0, False, 0, []], strict=True))
        self.chains, self.debits = [""], {}

    def post(self, line: dict) -> None:
        number, topic = len(self.chains), line.get("topic")
        require(same(line.get("posting"), number), f"posting {number} is missing or out of order")
        known = ["posting", "at", "topic", *FIELDS.get(topic, []), "after", "chain"]
        require(topic in FIELDS and sorted(line) == sorted(known), f"posting {number} has other fields")
        require((topic == "ledger.opened") == (number == 1), "only the first posting opens the ledger")
        made, back, price = self.follow(topic, line)
        require(same(line["after"], made), f"posting {number}: its totals do not follow")
        several = back if len(back) > 1 else []
        require(same(line.get("given_back", []), several), f"posting {number}: it gives back otherwise")
        paid = back[0][0] if len(back) == 1 else price
        require(same(line.get("price_micros", paid), paid), f"posting {number}: its price does not follow")
        chain = sha256(self.octets(topic, line, number)).hexdigest()
        require(line["chain"] == chain, f"posting {number}: its hash is not that of its fields")
        if topic == "ledger.debited":
            self.debits[number] = (line["message"], line["segments"], line["price_micros"])
        self.after = made
        self.chains.append(chain)

    def follow(self, topic: str, line: dict) -> tuple[dict, list, int]:
        """The totals a posting has to leave, the overage it gives back by price, and its own price."""
        before, after = self.after, {**self.after, "mixed": [[*part] for part in self.after["mixed"]]}
        segments, sign, price = line.get("segments", 0), 1, line.get("price_micros", 0)
        if topic == "ledger.opened":
            return {**after, "allowance": line["after"]["allowance"]}, [], 0
        if topic == "ledger.closed":
            left = max(0, before["allowance"] - before["net"])
            require(not before["closed"] and same(line["unused"], left), "what expires is not what is left")
            return {**after, "closed": True}, [], 0
        if topic == "ledger.refunded":
            debit, sign = self.debits.get(line["debit"], ("", 0, 0)), -1
            require(debit[:2] == (line["message"], segments), "it does not refund the debit it names")
            price = debit[2]
        if topic == "ledger.allowance_changed":
            after["allowance"] += segments
        else:
            require(line["included"] + line["overage"] == segments, "its split is not its segments")
            after["net"] += sign * segments
            after["adjusted_micros"] += line.get("amount_micros", 0)
        after["overage"] = max(0, after["net"] - after["allowance"])
        more = after["overage"] - before["overage"]
        require(same(sign * line["overage"], more), "its overage does not follow")
        parts = dict(before["mixed"])
        if before["overage"] and not parts:
            parts[before["amount_micros"] // before["overage"]] = before["overage"]
        if more > 0:
            parts[price] = parts.get(price, 0) + more
        back, left = [], max(0, -more)
        for at in (price, *parts):
            part = min(left, parts.get(at, 0))
            if part:
                parts[at], left = parts[at] - part, left - part
                back.append([at, part])
        rest = [[at, part] for at, part in parts.items() if part]
        after["amount_micros"] = sum(at * part for at, part in rest)
        after["mixed"] = rest if len(rest) > 1 else []
        return after, back, price

    def octets(self, topic: str, line: dict, number: int) -> bytes:
        after, back, note = line["after"], line.get("given_back", []), ""
        if topic == "ledger.adjusted":
            people = "\x1f".join([*(str(line[name]) for name in WHO), *line["approved_by"]])
            note = sha256(people.encode()).hexdigest()
        fields = [self.chains[-1], self.account, self.year, number, line["at"] + 0, topic]
        fields += [line.get("message", line.get("adjustment", "")), "" if note else line.get("reason", "")]
        numbers = [line.get("debit", line.get("amendment", 0)), line.get("segments", line.get("unused", 0))]
        fields += [number + 0 for number in (*numbers, *(line.get(name, 0) for name in SPLIT[1:]))]
        fields += [*(after[name] for name in AFTER[:4]), int(after["closed"])]
        if note or back or after["mixed"] or after["adjusted_micros"]:
            lists = (",".join(f"{at}:{part}" for at, part in parts) for parts in (after["mixed"], back))
            fields += [after["adjusted_micros"], *lists, note]
        return "|".join(map(str, fields)).encode()

    def end(self, last: dict, key: str) -> str:
        """Check the last line; a sentence about the whole."""
        require(list(last) == ["postings", "totals", "chain", "seal"], "the last line is missing")
        made = {"postings": len(self.chains) - 1, "totals": self.after, "chain": self.chains[-1]}
        require(same(last, {**made, "seal": last["seal"]}), "it does not end as its postings do")
        said, seal = f"{self.account} {self.year}: {made['postings']} postings, {made['chain']}", last["seal"]
        require(not key or (seal and seal["public_key"] == key.lower()), "it is not sealed by the key given")
        if seal is None:
            return f"{said}, NOT SEALED yet"
        names = ["leaf", "index", "path", *SIGNED, "public_key", "signature"]
        require(sorted(seal) == sorted(names), "the seal is not known")
        account, year, version, chain = seal["leaf"].split("|")
        require((account, year) == (self.account, str(self.year)), "the seal is of another ledger")
        require(version in map(str, range(1, len(self.chains))), "the sealed posting is not there")
        require(self.chains[int(version)] == chain, "the sealed posting has another hash")
        node, path = sha256(b"\x00" + seal["leaf"].encode()).digest(), [*map(bytes.fromhex, seal["path"])]
        index, last = seal["index"], seal["leaves"] - 1
        require(0 <= index <= last and seal["position"] >= 0, "the place under the seal is none")
        while last:
            if index % 2 or index < last:
                pair = path.pop(0) + node if index % 2 else node + path.pop(0)
                node = sha256(b"\x01" + pair).digest()
            index, last = index // 2, last // 2
        require(not path and node.hex() == seal["root"], "the ledger is not under the root of the seal")
        signed = "|".join(["smsledger-seal-1", *(str(seal[name]) for name in SIGNED)]).encode()
        public, signature = bytes.fromhex(seal["public_key"]), bytes.fromhex(seal["signature"])
        require(sha256(public).hexdigest()[:16] == seal["key"], "the key is not the one that the seal names")
        require(ed25519(public, signature, signed), "the signature is not over this seal")
        trust = "the key given" if key else f"key {seal['public_key']}: is it the one you noted?"
        return f"{said}, under the seal of {seal['day']} by {trust}"


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def ed25519(public: bytes, signature: bytes, octets: bytes) -> bool:
    """Whether a signature is true (RFC 8032, section 5.1.7)."""
    k = int.from_bytes(sha512(signature[:32] + public + octets).digest(), "little") % L
    s, base = int.from_bytes(signature[32:], "little"), (4 * pow(5, -1, P) % P).to_bytes(32, "little")
    right = add(point(signature[:32]), times(k, point(public)))
    return len(signature) == 64 and s < L and times(s, point(base)) == right


def point(octets: bytes) -> tuple:
    y, sign = int.from_bytes(octets, "little") & (1 << 255) - 1, octets[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    require(y < P and x * x % P == square and (x or not sign), "the signature or the key is no point")
    return (x if x % 2 == sign else P - x), y


def add(p: tuple, q: tuple) -> tuple:
    t, x, y = D * p[0] * q[0] * p[1] * q[1], p[0] * q[1] + p[1] * q[0], p[1] * q[1] + p[0] * q[0]
    return x * pow(1 + t, -1, P) % P, y * pow(1 - t, -1, P) % P


def times(n: int, p: tuple) -> tuple:
    half = times(n // 2, add(p, p)) if n else (0, 1)
    return add(half, p) if n % 2 else half


def main(path: str = "", option: str = "--key", key: str = "") -> int:
    try:
        require(path and option == "--key", "usage: verify_ledger.py FILE [--key PUBLIC_KEY]")
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            lines = (json.loads(text, parse_float=str, parse_constant=str) for text in file)
            ledger, waiting = Ledger(next(lines, {})), next(lines, {})
            for line in lines:
                ledger.post(waiting)
                waiting = line
        said, code = f"true: {ledger.end(waiting, key)}", 0
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as wrong:
        said, code = f"WRONG: {wrong}", 1
    sys.stdout.write(said + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
