"""Healthcheck of a container: `python docker/answers.py URL` ends with 0 if the URL answers well, else with 1."""

import sys
import urllib.error
import urllib.request

SECONDS = 8.0

# A proxy of the surroundings has no business between a container and itself.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(url: str) -> int:
    """Ask once; the exit code."""
    try:
        with _direct.open(url, timeout=SECONDS):
            return 0
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        print(f"{url} does not answer as it should: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
