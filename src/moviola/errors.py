"""Every error Moviola raises on purpose.

    MoviolaError
    ├── RequestError        the request itself cannot be meant: a flag, a rate, a pair of options (exit 2)
    ├── InputError          something the request names is not usable: a file, a mask, a folder
    │   └── MediaError      a file that should hold video cannot be read as video
    ├── OutputError         the result cannot be written: exists already, no permission, disk full
    ├── ModelError          a model gave NaN, a wrong shape or a wrong range
    └── MissingExtraError   an optional package is not installed; says the install command

A message is one line: what was wrong, with which value, and what to do.
"""


class MoviolaError(Exception):
    """Base of all errors a user can be shown as one line."""

    exit_code = 1


class RequestError(MoviolaError):
    exit_code = 2


class InputError(MoviolaError):
    pass


class MediaError(InputError):
    pass


class OutputError(MoviolaError):
    pass


class ModelError(MoviolaError):
    pass


class MissingExtraError(MoviolaError, ImportError):
    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed; run: pip install 'moviola[{extra}]'")
        self.extra = extra
