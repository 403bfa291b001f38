"""The words of a verdict, identical in reports, records, alerts and exit codes."""

HEALTHY, BLOCKED, COULD_NOT_RUN = "healthy", "blocked", "could_not_run"
"""The verdicts."""

INTERRUPTED = "interrupted"
"""Why a run ended with Ctrl-C has no verdict. It does not count as a failure."""

ENDED_EARLY = "the run ended before its verdict"
"""Why a run has no verdict if none of its steps noted an error."""

STEPS = (
    "begin",
    "prepare",
    "inject",
    "check_topic",
    "load",
    "check_loaded",
    "build_batch_1",
    "build_batch_2",
    "verdict",
)
"""The steps of a run in order, by the names under which its row stores their results. `finish` follows."""
