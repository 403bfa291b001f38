"""Sends a message to one address of ANGIOGRAM_ALERT_URLS.

A message that is too long for the service is shortened, but keeps its link.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from angiogram.core.environment import ALERT_URLS
from ingestion.errors import ExtraMissing
from ingestion.extras import require

ATTEMPTS = 3
"""How often each address is tried."""

SHORT = 500
"""Characters of the body in the last try, since some services take less than apprise assumes."""

_TITLE_INTO_BODY = 40
"""Characters that apprise adds when it puts a title into the body, for services without titles."""

_TALKATIVE = ("apprise", "requests", "urllib3")
"""Loggers that would write addresses with their secrets."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """A message.

    Attributes:
        title: the verdict.
        lines: the text that is shortened first.
        link: where to read everything; sent whole or not at all.
    """

    title: str
    lines: Sequence[str]
    link: str

    @property
    def body(self) -> str:
        """Return the lines and the link."""
        return "\n".join(filter(None, (*self.lines, self.link)))

    def within(self, title: int, body: int, lines: int = 0) -> "AlertMessage":
        """Return the message within these limits. Text that is cut ends in `…`.

        Args:
            title: characters of the title; 0: it becomes the body's first line.
            body: characters of the body.
            lines: lines of the body; 0: any number.
        """
        heading = cut(self.title, title or body // 3)
        room = body - (0 if title else len(heading) + _TITLE_INTO_BODY)
        link = self.link if len(self.link) <= room else ""
        kept = self.lines[: max(lines - (1 if title else 2), 0)] if lines else self.lines
        return AlertMessage(heading, _shortened(kept, room - len(link) - 1), link)


def cut(text: str, length: int) -> str:
    """Return the text, cut and ended with `…` if it is longer than `length` characters."""
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def _shortened(lines: Sequence[str], room: int) -> list[str]:
    """Shorten the longest lines so that all lines fit into a number of characters."""
    room -= max(len(lines) - 1, 0)
    longest = max(room, 0)
    for left, length in zip(range(len(lines), 0, -1), sorted(map(len, lines)), strict=True):
        if length * left > room:
            longest = max(room // left, 0)
            break
        room -= length
    return [cut(line, longest) if longest else "" for line in lines]


def send(number: int, url: str, message: AlertMessage, is_good: bool, pause: float) -> str | None:
    """Send a message to one address.

    Args:
        number: the address's position in the list; it is named by this, since it holds secrets.
        url: the address, in apprise's form.
        message: what to say.
        is_good: whether it is good news.
        pause: seconds before the second try; twice as long before each further one.

    Returns:
        What failed; None if the service took the message.
    """
    try:
        require("apprise", "tenacity")
    except ExtraMissing as error:
        return str(error)
    import apprise  # takes 0.2 s, so only when there is something to say
    from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_exponential

    with _hushed(_TALKATIVE):
        target = apprise.Apprise.instantiate(url)
        if not isinstance(target, apprise.NotifyBase):
            return f"address {number} in {ALERT_URLS} is unknown to apprise"
        place = f"address {number} ({target.service_name})"
        versions = iter([fitting(target, message)] * (ATTEMPTS - 1) + [fitting(target, message, SHORT)])

        def notify() -> Any:
            version = next(versions)
            return target.notify(
                title=version.title,
                body=version.body,
                notify_type=apprise.NotifyType.SUCCESS if is_good else apprise.NotifyType.FAILURE,
                body_format=apprise.NotifyFormat.TEXT,
            )

        attempts = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=pause),
            retry=retry_if_result(lambda taken: not taken),
        )
        try:
            attempts(notify)
        except RetryError:
            return f"{place} did not accept it in {ATTEMPTS} tries"
    return None


def fitting(target: Any, message: AlertMessage, most: int | None = None) -> AlertMessage:
    """Fit the message to the limits of an apprise service."""
    title, body = max(target.title_maxlen, 0), target.body_maxlen - target.overflow_buffer
    if title and target.overflow_amalgamate_title:  # the title counts as part of the body
        body -= min(len(message.title), title) + target.overflow_max_display_count_width
    return message.within(title, body if most is None else min(body, most), target.body_max_line_count)


@contextmanager
def _hushed(names: tuple[str, ...]) -> Iterator[None]:
    """Prevent loggers, and those below them, from writing anything."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
