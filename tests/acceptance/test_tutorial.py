"""The first tutorial and the guide to returns do what they say, command by command."""

from __future__ import annotations

from tests.acceptance.documents import at_a_terminal, document, follow


def test_every_command_of_the_tutorial_prints_what_is_shown_below_it() -> None:
    tutorial = document("docs/tutorial.md")
    with at_a_terminal(tutorial) as terminal:
        for command in tutorial.commands:
            follow(terminal, command)


def test_every_command_of_the_guide_to_returns_prints_what_is_shown_below_it() -> None:
    guide = document("docs/howto/returns.md")
    with at_a_terminal(guide) as terminal:
        for command in guide.commands:
            follow(terminal, command)
