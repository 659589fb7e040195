"""What a pymongo error means for a person, and whether trying again later can help."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from bson.errors import BSONError
from pymongo import errors
from pymongo.errors import BulkWriteError

from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    ResourcesError,
    TransientError,
    XamsflowError,
)

# Codes of the server, from src/mongo/base/error_codes.yml of MongoDB.
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
OUT_OF_DISK_SPACE = 14031
INTERRUPTED = frozenset({91, 262, 11600, 11601, 11602})  # it shuts down, or ended the operation
TOO_LARGE = frozenset({10334, 17419, 17420})

OLDEST_SERVER = "4.4"
"""The oldest MongoDB that pymongo supports and that has the expressions we send."""

CREDENTIALS_REMEDY = (
    "check MONGO_USER and MONGO_PASSWORD (which batch jobs do not get) or the file "
    "rundb.credentials_file, and authSource in rundb.uri"
)


class Way(Protocol):
    """What pymongo's connections run through."""

    @property
    def failure(self) -> XamsflowError | None:
        """Why the last connection attempt failed, or None after a successful one."""


@dataclass(frozen=True)
class Endpoint:
    """The name of the run database in errors: `where` is its address, without credentials."""

    where: str
    tunnel: Way | None = None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate pymongo's errors into ours; pymongo's text may quote secrets."""
        try:
            yield
        except (errors.PyMongoError, BSONError) as error:
            raise self.explain(error) from None

    def explain(self, error: Exception) -> XamsflowError:
        """Return our error for an error of pymongo."""
        database = f"the run database at {self.where}"
        if isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout):
            return self._away(error, database)
        if isinstance(error, errors.OperationFailure):
            return _refused(_first(error), database)
        if isinstance(error, errors.ConfigurationError) and "wire version" in str(error):
            return ConfigurationError(
                f"{database} is older than MongoDB {OLDEST_SERVER} ({error})",
                "ask its administrator to update it",
            )
        if isinstance(error, errors.ConfigurationError):  # including unreadable addresses
            return ConfigurationError(f"{database} cannot be used ({error})", "correct rundb.uri")
        if isinstance(error, BSONError):
            return BadDataError(f"{database}: a document cannot be read or written ({error})")
        return XamsflowError(f"{database}: {type(error).__name__}: {error}")

    def refusals(self, error: BulkWriteError) -> Iterator[tuple[int | None, XamsflowError]]:
        """Yield the errors of a bulk write, each with the index of its operation or None."""
        for refused in _parts(error):
            yield (refused.details or {}).get("index"), self.explain(refused)

    def _away(self, error: Exception, database: str) -> XamsflowError:
        remedy = "is MongoDB running there?"
        if self.tunnel is not None:
            return self.tunnel.failure or TransientError(f"{database} does not respond", remedy)
        # The rest of pymongo's text is its own settings and its view of the servers.
        reason = str(error).partition(" (configured")[0].partition(", Timeout:")[0]
        return TransientError(
            f"{database} does not respond ({reason})",
            f"{remedy} From outside its network, set rundb.tunnel",
        )


def _parts(error: BulkWriteError) -> Iterator[errors.OperationFailure]:
    for about in (*error.details["writeErrors"], *error.details["writeConcernErrors"]):
        yield errors.OperationFailure(about["errmsg"], about["code"], about)


def _first(error: errors.OperationFailure) -> errors.OperationFailure:
    """Return the first error of a bulk write, any other error itself."""
    return next(_parts(error), error) if isinstance(error, BulkWriteError) else error


def _refused(error: errors.OperationFailure, database: str) -> XamsflowError:
    text = str((error.details or {}).get("errmsg") or error).partition(", full error:")[0]
    if error.code == AUTHENTICATION_FAILED:
        return ConfigurationError(f"{database} rejects the user or password", CREDENTIALS_REMEDY)
    if error.code == UNAUTHORIZED:
        # After the names of database and collection, the server quotes the whole command.
        reason = text.partition(" to execute command")[0]
        return ConfigurationError(f"{database} does not allow this ({reason})", CREDENTIALS_REMEDY)
    if error.code == OUT_OF_DISK_SPACE:
        return ResourcesError(f"{database} has no disk space left", "free some space on its host")
    if error.code in INTERRUPTED:
        return TransientError(f"{database} stopped the operation ({text})", "try again")
    if error.code in TOO_LARGE:
        return BadDataError(
            f"{database}: the run document would be larger than MongoDB's 16 MB ({text})",
            "shorten its other fields; processing.history is never shortened",
        )
    return XamsflowError(f"{database} rejects the operation ({text})")
