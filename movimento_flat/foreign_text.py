"""Makes foreign text, such as a server's error, harmless for a terminal."""

import re

#: Control characters except line feed and tab; those that change the direction of writing; lone surrogates.
_is_harmful = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless(text: str) -> str:
    r"""Return the text with each character that a terminal would act on, or cannot show, as \x1b, \u202e, ..."""
    return _is_harmful.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
