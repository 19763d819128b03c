"""All read models, by name."""

from projections import ledger, links, messages, replies, statistics
from projections.projection import Projection

PROJECTIONS: tuple[Projection, ...] = (
    messages.PROJECTION,
    ledger.PROJECTION,
    statistics.PROJECTION,
    links.PROJECTION,
    replies.PROJECTION,
)
BY_NAME = {projection.noun: projection for projection in PROJECTIONS}
"""By what people call them: messages, ledger, statistics, links, replies."""
