"""Free TCP ports on 127.0.0.1."""

import secrets
import socket
import time

HOST = "127.0.0.1"

# Below the range from which systems take clients' ports. A port in that range could be given to any outgoing connection
# while its server restarts, even to that of a client that tries to reach it.
_RANGE = range(20_000, 32_000)
_LET_GO_SECONDS = 5.0
_POLL_SECONDS = 0.05


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def await_free(port: int) -> bool:
    """Return whether a server could listen on the port, after a short wait if necessary.

    Threads of a killed server release it a little late.
    """
    deadline = time.monotonic() + _LET_GO_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def choose() -> int:
    """Return a free port, drawn at random so that parallel sandboxes seldom want the same one."""
    while not is_free(port := secrets.choice(_RANGE)):
        pass
    return port


def answers(port: int) -> bool:
    """Return whether a server accepts connections on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
