"""The overage of a ledger as layers of a price each: the rule of what is given back, written once more.

The tests hold the platform's own books against these; nothing here calls the platform.
"""


class Layers:
    """Oldest price first. New overage is at the price in force; given back is one's own price, then the oldest."""

    def __init__(self) -> None:
        self.layers: list[tuple[int, int]] = []

    def move(self, overage: int, price: int) -> None:
        """Bring the overage to a number of segments, at a price or back from it."""
        self.layers = [layer for layer in self._moved(overage - self.segments, price) if layer[1]]

    def _moved(self, more: int, price: int) -> list[tuple[int, int]]:
        own = dict(self.layers).get(price, 0)
        if more >= 0 and own:
            return [(p, n + more if p == price else n) for p, n in self.layers]
        if more >= 0:
            return [*self.layers, (price, more)]
        left = -more - min(own, -more)
        after = [(p, n - min(own, -more) if p == price else n) for p, n in self.layers]
        for place, (p, n) in enumerate(after):
            after[place] = (p, n - min(n, left))
            left -= min(n, left)
        assert not left
        return after

    @property
    def segments(self) -> int:
        return sum(n for _, n in self.layers)

    @property
    def micros(self) -> int:
        return sum(price * n for price, n in self.layers)
