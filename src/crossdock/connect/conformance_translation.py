"""Translation of the examples, whole and damaged: pure, and either right or refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import msgspec

from crossdock.connect.conformance_documents import faults_in
from crossdock.connect.conformance_quiet import listening_to
from crossdock.connect.conformance_subject import ORIGIN, Message, Subject
from crossdock.connect.conformance_trial import Trial
from crossdock.connect.conformance_watch import Boundary, Watch
from crossdock.connect.connector import Reads
from crossdock.connect.damage import Damaged, Path, damaged, fields_of, without
from crossdock.connect.documents import Document, Hint, Translated, Untranslatable

SECONDS_MAX = 2.0
"""A message that takes longer would hold up all others of its process."""
_SHOWN = 5
Refusal = (msgspec.DecodeError, Untranslatable)
"""What a translation may raise; msgspec.ValidationError is a DecodeError."""


def translation_trials(subject: Subject) -> Iterator[Trial]:
    """For each example: it translates, it does so purely, and damage never gets through or out."""
    for message in subject.messages:
        yield Trial(f"translation of {message.name}", partial(_translates, subject, message))
        yield Trial(f"translation of {message.name} is pure", partial(_is_pure, subject, message))
        yield Trial(f"translation of {message.name} survives 60 kinds of damage", partial(_survives, subject, message))


async def _translates(subject: Subject, message: Message, _watch: Watch) -> None:
    translated = _translated(subject, message, message.body)
    faults = faults_in(translated)
    assert not faults, f"{message.name}: {'; '.join(faults[:_SHOWN])}"
    for item in translated:
        if isinstance(item, Hint):
            reads = subject.connector.reads.get(item.kind, Reads())
            assert reads.read, f"{message.name} hints at a {item.kind}, but no read({item.kind!r}) is declared"


async def _is_pure(subject: Subject, message: Message, _watch: Watch) -> None:
    first, touched = listening_to(partial(_translated, subject, message, message.body))
    assert not touched, f"{message.name}: translation touches {', '.join(sorted(set(touched))[:_SHOWN])}"
    again = _translated(subject, message, message.body)
    assert first == again, f"{message.name}: translated twice it gives two results"


async def _survives(subject: Subject, message: Message, watch: Watch) -> None:
    fields = _fields_that_matter(subject, message)
    wrong = [fault for harm in damaged(message.body, fields) for fault in _faults_of(subject, message, harm, watch)]
    assert not wrong, f"{message.name}: {len(wrong)} of 60 went wrong: {'; '.join(wrong[:_SHOWN])}"


def _translated(subject: Subject, message: Message, body: bytes) -> list[Translated]:
    return list(subject.connector.topics[message.topic](body, ORIGIN))


def _faults_of(subject: Subject, message: Message, harm: Damaged, watch: Watch) -> Iterator[str]:
    """A damaged message is refused, or what comes of it is as good as what comes of a whole one."""
    began, translated = time.perf_counter(), list[Translated]()
    with Boundary() as boundary:
        translated = _translated(subject, message, harm.body)
    if time.perf_counter() - began > SECONDS_MAX:
        yield f"[{harm.name}] took more than {SECONDS_MAX:.0f} s"
    if isinstance(boundary.error, Refusal):
        watch.hear_error("a refusal", boundary.error)
    elif boundary.error is not None:
        yield f"[{harm.name}] raised {type(boundary.error).__name__}({str(boundary.error)[:80]}), not Untranslatable"
    elif harm.hopeless and any(isinstance(item, (Document, Hint)) for item in translated):
        yield f"[{harm.name}] yielded facts out of nothing that can be trusted"
    else:
        yield from (f"[{harm.name}] {fault}" for fault in faults_in(translated)[:1])


def _fields_that_matter(subject: Subject, message: Message) -> list[Path]:
    """Those without which the translation is refused or another one: damage elsewhere would prove little."""
    whole = _translated(subject, message, message.body)
    return [path for path in fields_of(message.body) if _matters(subject, message, path, whole)]


def _matters(subject: Subject, message: Message, path: Path, whole: list[Translated]) -> bool:
    without_it: list[Translated] | None = None
    with Boundary():
        without_it = _translated(subject, message, without(message.body, path))
    return without_it != whole
