"""The door: genuine messages come in with either of two secrets, everything else stays out, and nothing raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from crossdock.connect.conformance_subject import Message, Subject
from crossdock.connect.conformance_trial import Trial
from crossdock.connect.conformance_watch import Watch
from crossdock.connect.connector import Door
from crossdock.connect.secrets import Secret

_STRANGER = b"a secret that signed nothing"
_STRANGE_VALUES = (
    "",
    " ",
    "=",
    "ä",
    "\N{HUNDRED POINTS SYMBOL}",
    "\udcff",
    "\0",
    "v1,",
    "sha256=",
    "9" * 5000,
    "A" * 100_000,
)


def door_trials(subject: Subject) -> Iterator[Trial]:
    """For each example that has headers: who comes in and who doesn't."""
    door = subject.connector.door
    if door is None:
        return
    signed = [message for message in subject.messages if message.headers is not None]
    yield Trial("the door has an example", partial(_has_example, subject, signed))
    for message in signed:
        yield Trial(f"the door lets {message.name} in", partial(_lets_in, subject, door, message))
        yield Trial(f"the door keeps an altered {message.name} out", partial(_keeps_out, subject, door, message))
        yield Trial(f"the door survives any headers of {message.name}", partial(_survives, subject, door, message))
        yield Trial(f"the door describes {message.name}", partial(_describes, door, message))


async def _has_example(subject: Subject, signed: Sequence[Message], _watch: Watch) -> None:
    assert signed, "a door needs an example that opens it: messages/<topic>.json with messages/<topic>.headers.json"
    assert _secrets(subject), "examples/settings.json needs the webhook_secrets that signed the examples"


async def _lets_in(subject: Subject, door: Door, message: Message, _watch: Watch) -> None:
    assert any(_opens(door, message, [secret]) for secret in _secrets(subject)), (
        f"{message.name} with its headers is genuine by none of webhook_secrets; was it signed over these very bytes?"
    )
    right = _right_secret(subject, door, message)
    assert _opens(door, message, [_STRANGER, right]), "the second of two secrets must open the door as well"
    assert _opens(door, message, [right, _STRANGER]), "the first of two secrets must open the door as well"


async def _keeps_out(subject: Subject, door: Door, message: Message, _watch: Watch) -> None:
    right, headers = [_right_secret(subject, door, message)], dict(message.headers or {})
    assert not _opens(door, message, []), "no secrets must open no door"
    assert not _opens(door, message, [_STRANGER]), "another's secret must not open the door"
    for at in sorted({0, len(message.body) // 2, len(message.body) - 1}):
        assert not door.genuine(headers, _flipped(message.body, at), right), (
            f"it is open with byte {at} of the body altered"
        )
    for body in (b"", message.body + b" ", message.body[:-1]):
        assert not door.genuine(headers, body, right), "it is open with bytes added or taken away"
    _needs_its_proof(door, message, headers, right)


def _needs_its_proof(door: Door, message: Message, headers: Mapping[str, str], right: Sequence[bytes]) -> None:
    """The headers it can't do without are the proof; none of them may be altered either."""
    proof = [name for name in headers if not door.genuine(_less(headers, name), message.body, right)]
    assert proof, "it is open whichever header is missing: there is no proof in them"
    for name in proof:
        value = headers[name]
        for at in sorted({0, len(value) // 2}):
            altered = {**headers, name: _flipped(value.encode(), at).decode("latin-1")}
            assert not door.genuine(altered, message.body, right), f"it is open with character {at} of {name} altered"
        for other in _STRANGE_VALUES:
            assert not door.genuine({**headers, name: other}, message.body, right), (
                f"it is open with {name}: {other[:20]!r}"
            )


async def _survives(subject: Subject, door: Door, message: Message, watch: Watch) -> None:
    headers = dict(message.headers or {})
    oddities = [{}, *(_less(headers, name) for name in headers)]
    oddities += [{**headers, name: value} for name in headers for value in _STRANGE_VALUES]
    for odd in oddities:
        for secrets in ([], [b""], [b"\xff\0"], _secrets(subject)):
            door.genuine(odd, message.body, secrets)
        for body in (b"", message.body, b"\xff" * 10):
            watch.hear_value("a delivery", door.describe(odd, body))


async def _describes(door: Door, message: Message, _watch: Watch) -> None:
    first, again = (door.describe(message.headers or {}, message.body) for _ in range(2))
    assert first == again, "the same message is described in two ways"
    assert first.topic == message.topic, f"it says {first.topic!r} of an example of {message.topic!r}"
    assert first.message_id is None or first.message_id.strip(), "an empty message id is no id: say None"


def _opens(door: Door, message: Message, secrets: Sequence[bytes]) -> bool:
    return door.genuine(message.headers or {}, message.body, secrets)


def _secrets(subject: Subject) -> list[bytes]:
    """The webhook secrets of the example settings."""
    given: tuple[Secret, ...] = getattr(subject.settings, "webhook_secrets", ())
    return [secret.reveal().encode() for secret in given]


def _right_secret(subject: Subject, door: Door, message: Message) -> bytes:
    opening = [secret for secret in _secrets(subject) if _opens(door, message, [secret])]
    assert opening, f"{message.name} is genuine by none of webhook_secrets"
    return opening[0]


def _less(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in headers.items() if other != name}


def _flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
