"""Takes apart SQL that a server has written: a line of SHOW GRANTS, the definition of a view."""

import re

_find_words = re.compile(
    r"""`(?:[^`]|``)*` | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | [^\s`'"(),.@]+ | \S""",
    re.VERBOSE | re.DOTALL,
).findall


def sql_words(text: str) -> list[str]:
    """Return the names and texts with their quotes, the other words, and the punctuation, in their order."""
    words: list[str] = _find_words(text)
    return words


def unquoted(word: str) -> str:
    """Return a name or text without its quotes; a word without any as it is."""
    quote = word[0]
    return word[1:-1].replace(quote * 2, quote) if quote in "`'\"" else word


def quoted(name: str) -> str:
    """Return a name in backticks."""
    return "`" + name.replace("`", "``") + "`"
