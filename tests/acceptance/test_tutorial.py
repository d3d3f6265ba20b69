"""The first tutorial does what it says, command by command."""

from __future__ import annotations

from tests.acceptance.documents import at_a_terminal, document, follow


def test_every_command_of_the_tutorial_prints_what_is_shown_below_it() -> None:
    tutorial = document("docs/tutorial.md")
    with at_a_terminal(tutorial) as terminal:
        for command in tutorial.commands:
            follow(terminal, command)
