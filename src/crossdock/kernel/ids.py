"""Ids and digests."""

from __future__ import annotations

import hashlib
import zlib

import uuid_utils

BUCKETS = 256
"""How many shares the entities are split into; a bucket is what one process leases."""


def new_id() -> str:
    """A UUIDv7: unique, and sorted by time."""
    return str(uuid_utils.uuid7())


def bucket_of(entity: str) -> int:
    """The bucket an entity's key falls in, the same in every process and version."""
    return zlib.crc32(entity.encode()) % BUCKETS


def digest(body: bytes) -> bytes:
    """16 bytes of BLAKE2b: tells two bodies apart."""
    return hashlib.blake2b(body, digest_size=16).digest()
