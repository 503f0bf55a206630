"""What a watch sees as JSON lines: one document per look, for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from moviola.errors import OutputError
from moviola.media.sink import check_output
from moviola.tasks import Seen

STDOUT = Path("-")


class JsonLines:
    """Written at once, look by look, so that it can be followed. The file appears with the first of them."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """Raises OutputError where the file exists already or cannot be written."""
        if path != STDOUT:
            check_output(path, overwrite=overwrite)
        self._path = path
        self._file: TextIO | None = None

    def write(self, seen: Seen) -> None:
        """Raises OutputError, and BrokenPipeError once nobody reads any more."""
        try:
            print(seen.model_dump_json(), file=self._open(), flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from None

    def close(self) -> None:
        if self._file is not None and self._file is not sys.stdout:
            self._file.close()

    def _open(self) -> TextIO:
        if self._file is None:
            if self._path == STDOUT:
                self._file = sys.stdout
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8")
        return self._file
