"""Every answer of a model, kept under what was asked: nothing is asked twice, whatever dies in between."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from builder.errors import UserError

BUSY_SECONDS = 60.0  # how long a writer waits for another process's commit
_inherited: list[sqlite3.Connection] = []


def answer_key(request: Any) -> str:
    """SHA-256 of ``request`` as canonical JSON."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """Answers (anything JSON) by key in one SQLite file, for any number of threads and processes.

    An answer is kept once ``put`` has returned, even if the process is killed the moment after. Not for
    network file systems, where SQLite's write-ahead log does not work. Raises ``UserError`` where the file
    cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection()

    def get(self, key: str) -> Any | None:
        """The answer under ``key``; None where there is none yet."""
        with self._errors():
            row = self._connection().execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, answer: Any) -> Any:
        """Keep ``answer``; returns what is kept: another process's answer if that was first."""
        with self._errors():
            inserted = self._connection().execute(
                "INSERT INTO answers (key, answer) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (key, json.dumps(answer)),
            )
        return answer if inserted.rowcount else self.get(key)

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid == os.getpid():
            connection.close()
        self._local.connection = None

    def _connection(self) -> sqlite3.Connection:
        """This thread's own connection. One that came through a fork is neither used nor closed here."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid != os.getpid():
            _inherited.append(connection)
            connection = None
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            # SQLite does not wait for its lock while it changes the mode: two processes that open a new
            # store together would find it locked.
            with FileLock(f"{self.path}.lock"):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
                )
            # In WAL mode this survives the death of a process; only the machine's can cost the last answers.
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection, self._local.pid = connection, os.getpid()
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            raise UserError(
                f"{self.path}: the store of answers cannot be used ({error}); name another file"
            ) from error
