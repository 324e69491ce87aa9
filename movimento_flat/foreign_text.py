"""Text that others wrote, such as a server's error, made harmless for a terminal."""

import re

#: Control characters but line feed and tab; those that turn the direction of writing; lone surrogates.
_is_harmful = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless(text: str) -> str:
    r"""Return the text with each character that a terminal would obey, or cannot show, written as \x1b, \u202e, ..."""
    return _is_harmful.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
