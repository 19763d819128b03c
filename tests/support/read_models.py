"""Brings the read models of a test to the end of the log, without a projector beside it."""

from infrastructure.bootstrap import Platform
from infrastructure.projector import read_models
from projections import runner, tracking
from projections.catalogue import PROJECTIONS


def catch_up(platform: Platform) -> None:
    """Apply what every read model has not seen yet."""
    with read_models(platform.settings) as opened, opened.connect() as connection:
        tracking.prepare(connection, opened.schema, PROJECTIONS)
        for projection in PROJECTIONS:
            after = tracking.position(connection.cursor(), projection.name) or 0
            head = opened.log.head()
            while after < head:
                window = opened.log.window(after, 2_000, projection.topics)
                runner.apply_window(connection, projection, after=after, window=window)
                after = window.end
