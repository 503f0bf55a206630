"""What is known of one hosted job, on disk: the protocol that `working` needs of whoever keeps it.

A ledger belongs to one job. Its entries, by name, are plain JSON values:

    order         what is to be made: `service.Order`, as it was checked
    upload/HASH   where the provider keeps a file of ours: `service.Uploaded`
    sent/N        that attempt N to create the job is about to leave; written before the request does
    refused/N     that the provider said no to attempt N, and so made nothing: `service.Failure`
    ticket        by what the provider knows the job: `service.Ticket`
    cancel        that the user wants no more of it; anybody may write it at any time
    woken         when it was last said that it is to be looked at now, and whether that was surely its
                  provider; anybody may write it at any time
    seen          how it ended: the last `service.Sighting`; written again when its links are renewed
    fetched/N     that output N is whole on this machine: `fetching.Fetched`

A job whose last `sent/N` has neither `refused/N` nor `ticket` is unknown: it may have been made and may cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Entry = Mapping[str, Any]


class Ledger(Protocol):
    """The entries of one job. What a call has written is on disk when it returns, and whole or absent."""

    def read(self, name: str) -> Entry | None:
        """An entry, whoever wrote it; None where there is none."""
        ...

    def claim(self, name: str, entry: Entry) -> bool:
        """Write an entry that is written once: False, and nothing changes, where it is there already.

        Of two processes that claim the same name only one is told True, however close they come.
        """
        ...

    def write(self, name: str, entry: Entry) -> None:
        """Write an entry, in place of an earlier one of that name."""
        ...
