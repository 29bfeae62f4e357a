"""What a service has stored: ciphertexts to tamper with, and rows in which nothing may be found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg


def tampered(ciphertext: str) -> dict[str, str]:
    """Each way to spoil a ciphertext (`v1.keyId.nonce.tag.text`, the last three in base64url), by its name."""
    version, key_id, nonce, tag, text = ciphertext.split(".")
    cut = {size: tag[: -(-size * 4 // 3)] for size in (4, 8, 12, 15)}
    changed = {
        "a bit of the text": (version, key_id, nonce, tag, _flipped(text)),
        "a bit of the tag": (version, key_id, nonce, _flipped(tag), text),
        "a bit of the nonce": (version, key_id, _flipped(nonce), tag, text),
        "no tag": (version, key_id, nonce, "", text),
        "no text": (version, key_id, nonce, tag, ""),
        **{f"a tag of {size} bytes": (version, key_id, nonce, short, text) for size, short in cut.items()},
    }
    return {what: ".".join(parts) for what, parts in changed.items()}


def _flipped(text: str) -> str:
    return ("B" if text[0] != "B" else "C") + text[1:]


def tables(database: psycopg.Connection[tuple[Any, ...]], *schemas: str) -> Iterator[tuple[str, str]]:
    """Every table of some schemas, with its rows as JSON; the connection must be of somebody who may see them all."""
    listed = "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY(%s)"
    for (table,) in database.execute(listed, [list(schemas)]).fetchall():
        rows = database.execute(f"SELECT to_jsonb(t)::text FROM {table} t".encode()).fetchall()  # noqa: S608 - the catalog's own names
        yield table, "\n".join(row for (row,) in rows)
