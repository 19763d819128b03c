"""All read models, by name."""

from projections import ledger, links, messages, statistics
from projections.projection import Projection

PROJECTIONS: tuple[Projection, ...] = (
    messages.PROJECTION,
    ledger.PROJECTION,
    statistics.PROJECTION,
    links.PROJECTION,
)
BY_NAME = {projection.name: projection for projection in PROJECTIONS}
