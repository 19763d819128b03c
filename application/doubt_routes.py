"""What of a route may be a slip: names that nothing has. It is set all the same, since they may come later."""

from application.directory import Directory
from domain.events.route import RouteSet


async def notes(directory: Directory, wanted: RouteSet) -> tuple[str, ...]:
    """Sentences for the operator."""
    accounts = [name for name in wanted.accounts if await directory.contract(name) is None]
    signed = {signature.name for signature in await directory.signatures()} if wanted.signatures else set()
    signatures = [name for name in wanted.signatures if name not in signed]
    return (
        *(f"There is no account {name}: the route matches nothing of it." for name in accounts),
        *(f"No account has the signature {name}: the route matches nothing with it." for name in signatures),
    )
