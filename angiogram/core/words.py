"""The words of a verdict, identical in reports, records, alerts and exit codes."""

HEALTHY, BLOCKED, COULD_NOT_RUN = "healthy", "blocked", "could_not_run"
"""The verdicts."""

INTERRUPTED = "interrupted"
"""Why a run has no verdict that somebody ended with Ctrl-C: they know, so it counts as no failure."""

ENDED_EARLY = "the run ended before its verdict"
"""Why a run has no verdict, if none of its steps noted an error."""

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
"""The steps of a run in their order, by the names under which its row keeps what they left; then it is finished."""
