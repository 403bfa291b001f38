"""Errors of the ingestion package.

IngestionError
├── SettingsError          an environment variable is missing or malformed; set it and start again
├── ContractUnusable       the pipeline declares no contract, or one that cannot be used; correct its settings file
├── InputError             a file or an argument cannot be used; correct it
├── KafkaUnavailable       the broker cannot be reached; a retry helps
├── DatabaseUnavailable    PostgreSQL cannot be reached or takes no writes; a retry helps
├── DatabaseRefused        PostgreSQL refuses a statement; put what it names right
├── SchemaOutdated         the raw tables miss a migration; run `ingestion migrate`
├── OffsetsSetBack         the stored offsets are not those up to which was loaded; run `ingestion offsets repair`
├── Fenced                 another loader took this partition over; nothing was written, stop or start anew
├── WorkersDied            all worker processes were ended from outside; find out why, start it again
├── WorkerFailed           a worker met an error that nobody foresaw; its traceback is in the log
├── Interrupted            a signal ended the work before it was done; start it again
├── OpenTransaction        a transaction on the topic that never ends holds back what comes after it; end it
└── MessagesLost           the topic no longer holds messages that it held; names the offsets

Every message says what happened, where, and what to do. The command line catches IngestionError once, prints the
message and exits with the error's `exit_code`. Any other exception is one that nobody foresaw: it is told with its
traceback and exits with 2.
"""


class IngestionError(Exception):
    """Root of the package's errors."""

    exit_code = 2


class SettingsError(IngestionError):
    """An environment variable is missing or malformed. A retry does not help before it is set."""


class ContractUnusable(IngestionError):
    """The pipeline declares no contract, or one that cannot be used. A retry does not help before it is corrected."""


class InputError(IngestionError):
    """A file or an argument cannot be used. A retry does not help before it is corrected."""


class KafkaUnavailable(IngestionError):
    """The broker cannot be reached or does not answer. A retry helps once it is back."""


class DatabaseUnavailable(IngestionError):
    """PostgreSQL cannot be reached or takes no writes. A retry helps once it is back."""


class DatabaseRefused(IngestionError):
    """PostgreSQL refuses a statement; nothing of it was written. A retry does not help before its cause is gone."""


class SchemaOutdated(IngestionError):
    """The raw tables are absent or miss a migration. `ingestion migrate` helps."""


class OffsetsSetBack(IngestionError):
    """The stored offsets are not those up to which was loaded; nothing was written. See `ingestion offsets`."""


class Fenced(IngestionError):
    """A partition's stored offset moved under this loader: another process owns it now. Nothing was written."""


class Interrupted(IngestionError):
    """A signal ended the work before it was done. What was committed stays; starting again goes on from there."""


class WorkersDied(IngestionError):
    """All worker processes were ended from outside, as when memory is short. What was committed stays."""


class WorkerFailed(IngestionError):
    """A worker met an error that nobody foresaw; its traceback is in the log. What was committed stays."""


class OpenTransaction(IngestionError):
    """A transaction on the topic is open and holds back all that comes after it. A retry helps once it has ended."""

    exit_code = 1


class MessagesLost(IngestionError):
    """The topic no longer holds messages that it held. They are recorded; where some were not loaded, you decide."""

    exit_code = 1
