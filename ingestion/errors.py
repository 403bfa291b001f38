"""Errors of the ingestion package.

IngestionError
├── ExtraMissing           an optional part of the package is not installed; the message has the command
├── SettingsError          an environment variable is missing or malformed; set it and start again
├── SettingsFileUnusable   angiogram.yml cannot be read, or holds an invalid setting; correct the line that is named
├── ContractUnusable       the pipeline declares no contract, or one that cannot be used; correct its settings file
├── InputError             a file or an argument cannot be used; correct it
├── KafkaUnavailable       the broker cannot be reached; a retry helps
├── DatabaseUnavailable    PostgreSQL cannot be reached or takes no writes; a retry helps
├── DatabaseRefused        PostgreSQL refuses a statement; correct what it names
├── PooledByTransaction    a pooler shares sessions between transactions; connect to PostgreSQL itself
├── SchemaOutdated         a migration of the raw tables is missing; run `ingestion migrate`
├── OffsetsSetBack         the stored offsets differ from what was loaded; run `ingestion offsets repair`
├── Fenced                 another loader took over this partition; nothing was written, stop or start again
├── WorkersDied            all worker processes were killed; find out why, start again
├── WorkerFailed           a worker met an unforeseen error; its traceback is in the log
├── Interrupted            a signal ended the work before it was done; start again
├── TopicLosesMessages     the topic's settings delete messages before they are loaded; correct them
├── OpenTransaction        an open transaction on the topic holds back later messages; end it
└── MessagesLost           messages are gone from the topic; the error names their offsets

Every message says what happened, where, and what to do. The command line catches IngestionError once, prints the
message and exits with the error's `exit_code`. Any other exception is unforeseen: it is printed with its
traceback, and the exit code is 2.
"""


class IngestionError(Exception):
    """Root of this package's errors."""

    exit_code = 2


class ExtraMissing(IngestionError):
    """An extra of this package is not installed. The message has the command that installs it."""


class SettingsError(IngestionError):
    """An environment variable is missing or malformed. A retry does not help until it is set."""


class SettingsFileUnusable(IngestionError):
    """angiogram.yml cannot be read, or holds an invalid setting. Correct it before a retry."""


class ContractUnusable(IngestionError):
    """The pipeline declares no contract, or an unusable one. Correct it before a retry."""


class InputError(IngestionError):
    """A file or an argument cannot be used. A retry does not help until it is corrected."""


class KafkaUnavailable(IngestionError):
    """The broker cannot be reached or does not answer. A retry helps once it is back."""


class DatabaseUnavailable(IngestionError):
    """PostgreSQL cannot be reached or takes no writes. A retry helps once it is back."""


class DatabaseRefused(IngestionError):
    """PostgreSQL refuses a statement. Nothing of it was written. Remove the cause first."""


class PooledByTransaction(IngestionError):
    """A pooler shares PostgreSQL's sessions between transactions. Locks do not hold there."""


class SchemaOutdated(IngestionError):
    """The raw tables are absent or a migration is missing. `ingestion migrate` helps."""


class OffsetsSetBack(IngestionError):
    """The stored offsets differ from what was loaded. Nothing was written.

    See `ingestion offsets`.
    """


class Fenced(IngestionError):
    """Another process took over a partition and moved its stored offset. Nothing was written."""


class Interrupted(IngestionError):
    """A signal ended the work before it was done. What was committed stays; start again."""


class WorkersDied(IngestionError):
    """All worker processes were killed, for lack of memory perhaps. What was committed stays."""


class WorkerFailed(IngestionError):
    """A worker met an unforeseen error. Its traceback is in the log. What was committed stays."""


class TopicLosesMessages(IngestionError):
    """The topic's settings delete messages before they are loaded. Correct them first."""


class OpenTransaction(IngestionError):
    """An open transaction on the topic holds back later messages. Retry once it has ended."""

    exit_code = 1


class MessagesLost(IngestionError):
    """Messages are gone from the topic.

    They are recorded. If some of them were never loaded, the user decides whether to go on.
    """

    exit_code = 1
