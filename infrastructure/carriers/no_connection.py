"""Why no connection to a carrier came about, in words for people."""

import ssl
from socket import gaierror

__all__ = ["why_no_connection"]

_MOST_SAID = 120


def why_no_connection(error: Exception, *, seconds: float) -> str:
    """What an error of connecting means; `seconds` is how long it was tried."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message[:_MOST_SAID]}"
        case ssl.SSLError():
            return "no TLS came about: does the carrier speak it at this port?"
        case TimeoutError():
            return f"no connection within {seconds:g} s: a firewall may keep it, or the address is wrong"
        case ConnectionRefusedError():
            return "nobody listens there: is the port right?"
        case gaierror() | UnicodeError():
            return "the host's name cannot be found"
        case ConnectionResetError():
            return "the connection was cut while it came about"
        case _:
            return f"no connection: {getattr(error, 'strerror', None) or type(error).__name__}"
