"""A short pass of random sequences, the same ones each time; `make torture` plays as many as it has time for."""

from hypothesis import HealthCheck, Phase, settings


def short_pass(steps: int) -> settings:
    """Hypothesis's settings for two sequences of up to so many steps."""
    return settings(
        max_examples=2,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],  # a sequence that fails is told as it was played: to shorten it takes minutes
        suppress_health_check=list(HealthCheck),
    )
