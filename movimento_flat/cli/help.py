"""Additions to click: options under headings, the exit status under each command, and similar words."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import click
from click.shell_completion import CompletionItem

EXIT_STATUS = (
    "Exit status: 0 done, 1 something to fix (nothing was published), 2 wrong options, 130 interrupted."
)

#: Headings of options by the name of their parameter; options without one come under _NO_SECTION.
SECTIONS: dict[str, str] = {}
_NO_SECTION = "Options"
#: More letters than any first sentence has.
_WHOLE = 1000


class Command(click.Command):
    """A command whose help has its options under headings, and the exit status at its end."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        sections: dict[str, list[tuple[str, str]]] = {_NO_SECTION: []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                sections.setdefault(SECTIONS.get(parameter.name or "", _NO_SECTION), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _write_last(formatter, self.epilog)


class Group(click.Group):
    """A group of such commands, in the order of their definition."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its whole first sentence; click cuts it."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(_WHOLE)) for name, command in self.commands.items()]
            )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        _write_last(formatter, self.epilog)


def _write_last(formatter: click.HelpFormatter, epilog: str | None) -> None:
    formatter.write_paragraph()
    formatter.write_text(epilog or EXIT_STATUS)


class Choice(click.Choice[str]):
    """One of some words; the error for another one names the most similar."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """See click."""
        said = super().get_invalid_choice_message(value, ctx)
        near = get_close_matches(str(value), self.choices, n=1, cutoff=0.5)
        return f"{said} Did you mean '{near[0]}'?" if near else said


def one_of(*words: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what the shell completes for an option that takes one of these words."""
    return lambda context, parameter, begun: [
        CompletionItem(word) for word in words if word.startswith(begun)
    ]
