"""Makes a file of recipients as an office would send it, with every kind of row that goes wrong.

Names are invented, numbers are test numbers, and the same seed makes the same file.
"""

import argparse
import csv
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

COLUMNS = ("phone", "template", "name", "amount", "month", "text")
PAYMENT, STATEMENT = "payment-due", "statement-ready"

_PREFIXES = ("1380013", "1300013", "1890018")
"""China Mobile, China Unicom, China Telecom."""
_SHARES = (5, 3, 2)
_FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
_GIVEN = ("小明", "晓华", "子涵", "雨桐", "浩然", "思远", "佳怡", "文博", "欣妍", "宇航", "若溪", "一诺")
_SHORT = (
    "您的订单已发货，请留意查收📦",
    "您预约的门店服务明天10:00开始，期待光临😊",
    "会员积分将于月底清零，请及时使用🎁🎁",
)
_LONG = (
    "尊敬的客户，因系统升级，我公司网上营业厅、手机客户端及自助终端将于本周六零时至六时暂停服务，期间无法办理"
    "缴费、查询与变更业务，已预约的业务顺延至当日上午办理，由此带来的不便敬请谅解。升级完成后您可继续使用原账号"
    "登录，历史账单与积分不受影响。如有疑问请到就近营业网点咨询，感谢您一直以来的支持与信任。"
)
_NOT_NUMBERS = ("12345", "2380013800", "1380013800", "138001380001", "1380013800X", "abc", "0571-88001", "--")


def rows(count: int, *, seed: int) -> Iterator[dict[str, str]]:
    """So many rows: of a hundred about 61 short templates, 22 long ones, 10 free texts and 7 that are refused."""
    draw = random.Random(seed)
    phones = _phones(draw)
    before: list[dict[str, str]] = []
    for _ in range(count):
        kind = draw.random()
        if kind < 0.02 and before:
            yield draw.choice(before)
            continue
        row = _row(draw, next(phones), kind)
        if kind >= 0.07:
            before.append(row)
        yield row


def _row(draw: random.Random, phone: str, kind: float) -> dict[str, str]:
    row = _billed(draw, phone, STATEMENT if kind > 0.78 else PAYMENT)
    if kind < 0.04:
        return {**row, "phone": draw.choice(_NOT_NUMBERS)}
    if kind < 0.055:
        return {**row, draw.choice(("name", "amount")): ""}
    if kind < 0.07:
        return {**row, "name": "尊贵的" + row["name"] + "先生及其家人与全体在职员工" * 3}
    if kind < 0.17:
        text = _LONG if kind < 0.09 else draw.choice(_SHORT)
        return dict.fromkeys(COLUMNS, "") | {"phone": phone, "text": text}
    return row


def _billed(draw: random.Random, phone: str, template: str) -> dict[str, str]:
    return {
        "phone": phone,
        "template": template,
        "name": draw.choice(_FAMILY) + draw.choice(_GIVEN),
        "amount": f"{draw.randrange(1_000, 99_999) / 100:.2f}",
        "month": f"{draw.randrange(1, 13)}月",
        "text": "",
    }


def _phones(draw: random.Random) -> Iterator[str]:
    """Test numbers of three carriers, none twice before all of a carrier's ten thousand were used."""
    left: dict[str, list[int]] = {prefix: [] for prefix in _PREFIXES}
    while True:
        prefix = draw.choices(_PREFIXES, _SHARES)[0]
        if not left[prefix]:
            left[prefix] = draw.sample(range(10_000), 10_000)
        number = f"{prefix}{left[prefix].pop():04d}"
        yield f"+86 {number[:3]} {number[3:7]} {number[7:]}" if draw.random() < 0.03 else number


def write(path: Path, count: int, *, seed: int) -> None:
    """Write a file of so many rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(count, seed=seed))


def main(arguments: Sequence[str] | None = None) -> None:
    """The program behind examples/make_recipients.py."""
    parser = argparse.ArgumentParser(description="Make a sample file of recipients.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    write(given.file, given.rows, seed=given.seed)
