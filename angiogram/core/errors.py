"""Errors of the angiogram package.

AngiogramError
├── NotReady               a service, a migration or a package that the run needs is missing; set it up, then run again
├── UnsupportedProject     angiogram cannot handle this kind of dbt project, or something in it; change it
├── UnmutatedFails         the project fails its own checks before anything is mutated; fix it first
├── SeedError              an input seed cannot be read; correct it
├── InvalidSettings        angiogram.yml holds an invalid setting; the message names the line
├── InvalidSurface         .angiogram/surface.yml cannot be read; restore it from version control
├── InvalidRecord          a list of recorded or confirmed rows cannot be read; correct it, or restore it
├── KeyMismatch            the loader does not accept the key that would sign the dye; set the same key
├── NeverBegan             `begin` ended without starting a run; see its log, and start a new run
├── NotTheDyes             a dye target would write relations that are not the dye's; nothing was built
├── RunInHand              another run was active for longer than this one waits; run again later
├── TablesInUse            another session's open transaction locks the dye's tables; run again once it has ended
├── LeaseLost              this run's lease expired and another run took over; run again
├── UnknownRun             no run has this ID; `angiogram runs` lists them
├── NothingToAcknowledge   the run is not blocked
├── PageNotWritten         the page's file cannot be written; name another one
├── InjectFailed           the front door or the topic took no dye; a retry helps once it answers
├── NothingSelected        --select and --exclude leave no model; select at least one
├── UnusableState          the manifest.json of --state is missing or not this project's; name another folder
├── SeedNotWritten         an expected seed cannot be written, or was changed meanwhile; no file was changed
├── UnknownModel           the project has no such model with an expected seed; the message lists its models
├── UnknownFault           the catalogue has no fault of this name; `angiogram faults --list` lists them
├── FaultNotPlanted        a fault of the catalogue finds nothing to change; correct the fault
└── DbtFailed              dbt ended before it built anything: the project or its profile is broken

Every message says what happened, where, and what to do. The command line catches AngiogramError (and ingestion's
IngestionError) once, prints the message and exits with 2: the run could not be judged. Any other exception is
unexpected: it is printed with its traceback and exits with 2 as well. A fault in the pipeline itself is not an error
but a verdict.
"""


class Terminated(KeyboardInterrupt):
    """Raised on SIGTERM: like Ctrl-C, but without anybody at the keyboard."""


class AngiogramError(Exception):
    """Root of the package's errors: the run could not be judged."""

    exit_code = 2


class NotReady(AngiogramError):
    """A service, a migration or a dbt package that a run needs is missing.

    A retry helps once it is there.
    """


class UnsupportedProject(AngiogramError):
    """angiogram cannot handle this kind of dbt project, or something that it contains.

    A retry does not help.
    """


class UnmutatedFails(AngiogramError):
    """The project fails its own checks before anything is mutated.

    A retry does not help until the project is fixed.
    """


class SeedError(AngiogramError):
    """An input seed is missing or malformed. A retry does not help until it is corrected."""


class InvalidSettings(AngiogramError):
    """The settings file angiogram.yml cannot be used.

    A retry does not help until it is corrected.
    """


class InvalidSurface(AngiogramError):
    """The accepted surface cannot be read. A retry does not help until its file is restored."""


class InvalidRecord(AngiogramError):
    """A list of recorded or confirmed rows cannot be read."""


class KeyMismatch(AngiogramError):
    """The loader would not recognise this dye and would write it to the live tables.

    Nothing was sent.
    """


class NeverBegan(AngiogramError):
    """There is no run to judge: `begin` ended without starting one.

    A new run helps once the cause is fixed.
    """


class NotTheDyes(AngiogramError):
    """The dye target would overwrite relations that the dye did not create.

    A retry helps once the target has schemas of its own.
    """


class RunInHand(AngiogramError):
    """Another run is active and outlasted the wait. A retry helps once it has ended."""


class TablesInUse(AngiogramError):
    """An open transaction of another session still locks tables of the previous run.

    A retry helps once it has ended.
    """


class LeaseLost(AngiogramError):
    """This run's lease expired and another run took over. A new run helps."""


class UnknownRun(AngiogramError):
    """There is no run with this ID."""


class SeedNotWritten(AngiogramError):
    """An expected seed cannot be written, or was changed meanwhile. No file was changed.

    If a command was killed while it wrote, some files are changed, and the next command tries to complete the rest.
    """


class NothingSelected(AngiogramError):
    """No model is selected, so nothing was built or compared. Another selection helps."""


class UnusableState(AngiogramError):
    """The manifest of an earlier state is missing, unreadable or of another project.

    Another folder helps.
    """


class UnknownModel(AngiogramError):
    """The dbt project has no model of this name, or the model has no expected seed."""


class NothingToAcknowledge(AngiogramError):
    """Only the blockage of a blocked run can be acknowledged. A retry does not help."""


class PageNotWritten(AngiogramError):
    """The file for a page cannot be written. A retry with another file helps."""


class InjectFailed(AngiogramError):
    """The front door is down, rejects the key, or fails. A retry helps once it answers."""


class UnknownFault(AngiogramError):
    """The catalogue has no fault of this name."""


class FaultNotPlanted(AngiogramError):
    """A fault of the catalogue found nothing to change, so nothing was tested.

    A retry does not help.
    """


class DbtFailed(AngiogramError):
    """dbt could not read the project, the profile or the database, so nothing can be compared."""
