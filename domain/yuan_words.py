"""Amounts in capital Chinese numerals, as they stand beside the digits on every bill that is paid in China.

The rules are those of 《支付结算办法》, annex one: zeros between digits are said once, whole yuan end with 整.
"""

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")


def in_capitals(fen: int) -> str:
    """An amount in fen in words: 123405 is 壹仟贰佰叁拾肆元零伍分."""
    yuan, rest = divmod(abs(fen), 100)
    jiao, last = divmod(rest, 10)
    said = f"{_whole(yuan)}元" if yuan else ""
    if jiao:
        said += f"{_DIGITS[jiao]}角"
    elif last and yuan:
        said += "零"
    if last:
        said += f"{_DIGITS[last]}分"
    else:
        said = f"{said or '零元'}整"
    return f"{'负' if fen < 0 else ''}{said}"


def _whole(number: int) -> str:
    """A positive integer in words, in groups of four digits."""
    said, gap = "", False
    for place in range(len(_GROUPS) - 1, -1, -1):
        group = number // 10_000**place % 10_000
        if not group:
            gap = gap or bool(said)
            continue
        if said and (gap or group < 1_000):
            said += "零"
        said += _four(group) + _GROUPS[place]
        gap = False
    return said


def _four(group: int) -> str:
    said, gap = "", False
    for place in range(3, -1, -1):
        digit = group // 10**place % 10
        if not digit:
            gap = gap or bool(said)
            continue
        said += ("零" if gap else "") + _DIGITS[digit] + _PLACES[place]
        gap = False
    return said
