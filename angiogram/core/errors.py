"""Errors of the angiogram package.

AngiogramError
├── NotReady               a service, a migration or a package the run needs is not there; set it up, then run again
├── UnsupportedProject     the dbt project is of a kind, or holds something, that angiogram cannot handle; change it
├── UnmutatedFails         the project fails its own checks before anything is mutated; mend it first
├── SeedError              an input seed cannot be read; correct it
├── InvalidSettings        angiogram.yml holds what it may not; the message names the line
├── InvalidSurface         .angiogram/surface.yml cannot be read; take it back from version control
├── KeyMismatch            the loader does not accept the key that would sign the dye; bring the keys in line
├── NeverBegan             the step before the first ended without a run; see its log, and start a new run
├── NotTheDyes             a dye target would write what is live or what the dye did not make; nothing was built
├── RunInHand              another run kept its lease longer than this one would wait; run again later
├── LeaseLost              this run's lease ran out and another run took over; run again
├── UnknownRun             no run has this id; `angiogram runs` lists them
├── NothingToAcknowledge   the run is not blocked
├── PageNotWritten         the page's file cannot be written; name another one
├── InjectFailed           the front door or the topic took no dye at all; a retry helps once it answers
├── SeedNotWritten         an expected seed cannot be written, or was changed meanwhile; all are as they were
├── UnknownModel           the project has no such model with an expected seed; the message lists those that it has
├── UnknownFault           the catalogue has no fault of this name; `angiogram faults --list` lists them
├── FaultNotPlanted        a fault of the catalogue finds nothing to change; correct the fault
└── DbtFailed              dbt ended before it built anything: the project or its profile is broken

Every message says what happened, where, and what to do. The command line catches AngiogramError (and ingestion's
IngestionError) once, prints the message and exits with 2: the run could not be judged. Any other exception is one that
nobody foresaw: it is told with its traceback and exits with 2 as well. What is wrong in the pipeline itself is no error
but a verdict.
"""


class Terminated(KeyboardInterrupt):
    """SIGTERM: as Ctrl-C, but nobody at the keyboard knows of it."""


class AngiogramError(Exception):
    """Root of the package's errors: the run could not be judged."""

    exit_code = 2


class NotReady(AngiogramError):
    """A service, a migration or a dbt package that a run needs is absent. A retry helps once it is there."""


class UnsupportedProject(AngiogramError):
    """The dbt project is of a kind, or holds something, that angiogram cannot handle. A retry does not help."""


class UnmutatedFails(AngiogramError):
    """The project fails its own checks before anything is mutated. A retry does not help before it is mended."""


class SeedError(AngiogramError):
    """An input seed is absent or malformed. A retry does not help before it is corrected."""


class InvalidSettings(AngiogramError):
    """The settings file angiogram.yml cannot be used. A retry does not help before it is corrected."""


class InvalidSurface(AngiogramError):
    """The accepted surface cannot be read. A retry does not help before its file is restored."""


class KeyMismatch(AngiogramError):
    """The loader would not know this dye for dye and would pour it into the live tables. Nothing was sent."""


class NeverBegan(AngiogramError):
    """There is no run to judge: `begin` ended without one. A new run helps once what ended it is mended."""


class NotTheDyes(AngiogramError):
    """The dye target would write over relations that are not the dye's. A retry helps once it has its own schemas."""


class RunInHand(AngiogramError):
    """Another run is in hand and outlasted the wait. A retry helps once it has ended."""


class TablesInUse(AngiogramError):
    """Somebody's open transaction still holds tables of the last run. A retry helps once it has ended."""


class LeaseLost(AngiogramError):
    """This run's lease ran out and it is no longer the one in hand. A new run helps."""


class UnknownRun(AngiogramError):
    """No run has this id."""


class SeedNotWritten(AngiogramError):
    """An expected seed cannot be written, or somebody changed it meanwhile. All files are as they were.

    After a command that was killed while it wrote: some are not, and the next command tries to complete them.
    """


class UnknownModel(AngiogramError):
    """The dbt project has no model of this name, or the model has no expected seed."""


class NothingToAcknowledge(AngiogramError):
    """Only the blockage of a blocked run can be acknowledged. A retry does not help."""


class PageNotWritten(AngiogramError):
    """The file for a page cannot be written. A retry helps with another one."""


class InjectFailed(AngiogramError):
    """The front door is away, refuses the key, or fails. A retry helps once it answers."""


class UnknownFault(AngiogramError):
    """The catalogue has no fault of this name."""


class FaultNotPlanted(AngiogramError):
    """A fault of the catalogue found nothing to change, so nothing was tested. A retry does not help."""


class DbtFailed(AngiogramError):
    """dbt could not read the project, the profile or the database, so nothing can be compared."""
