"""Airflow on this machine, beside the sandbox's servers.

Comes in: a running sandbox. Goes out: Airflow's servers, and runs of its DAGs. May import: the modules of `sandbox` but
its command line, which adds the commands here.
"""
