"""Text into a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from moviola.media.sink import check_output, replacing


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write UTF-8, making the folders on the way.

    Raises OutputError where the file exists already or cannot be written; what was there stays then.
    """
    check_output(path, overwrite=overwrite)
    with replacing(path) as partial:
        # A file name that is no text (any bytes may be one) is told with question marks.
        partial.write_bytes(text.encode("utf-8", "replace"))
