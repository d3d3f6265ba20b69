"""What the documents say about connectors of one's own works as it is printed there."""

from __future__ import annotations

from tests.acceptance.documents import at_a_terminal, document, follow


def test_two_connectors_of_ones_own_run_in_a_hub_and_pass_the_conformance_kit() -> None:
    howto = document("docs/howto/write-a-connector.md")
    with at_a_terminal(howto) as terminal:
        for command in howto.commands:
            follow(terminal, command)


def test_the_connector_in_the_readme_is_the_one_that_was_run() -> None:
    assert document("README.md").files.items() <= document("docs/howto/write-a-connector.md").files.items()
