"""Addresses: checks that one can be used, and removes secrets from those that are shown."""

import re
from urllib.parse import urlsplit

_USER_INFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s\"'@]*(?:@[^/?#\s\"'@]*)*@")
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(:[0-9]{1,5})?")
_HIGHEST_PORT = 65_535


def without_user_info(text: str) -> str:
    """Remove user and password from every address in a text.

    https://me:secret@host/ becomes https://host/.
    """
    return _USER_INFO.sub(r"\1", text)


def checked_web_address(url: str) -> str:
    """Return the address if it is a usable HTTP or HTTPS address.

    Raises:
        ValueError: it is neither http nor https, or no client could use it.
    """
    parts = urlsplit(url)
    usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0  # .port reads the number
    if not (usable and url.isprintable() and " " not in url and _is_host(parts.hostname or "")):
        raise ValueError("must be an address such as http://front-door.example:8000")
    return url


def checked_servers(servers: str) -> str:
    """Return the addresses of the Kafka servers if each one is usable.

    Raises:
        ValueError: one is not a host with a port.
    """
    for server in servers.split(","):
        match = _SERVER.fullmatch(server.strip())
        if not (match and _is_host(match[1]) and 0 < int((match[2] or ":9092")[1:]) <= _HIGHEST_PORT):
            raise ValueError("must name each server as host:port, with commas between them")
    return servers


def _is_host(host: str) -> bool:
    try:
        return bool(host.encode("idna"))
    except UnicodeError:  # a label that is empty or too long
        return False
