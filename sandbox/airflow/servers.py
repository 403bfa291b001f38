"""Airflow's servers as one process: `python -m sandbox.airflow.servers FOLDER`.

It runs them until one of them ends. They get no pid files and no terminal; stopping this process stops them all.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

_SERVERS = {
    "scheduler": [sys.executable, "-m", "sandbox.airflow.scheduler"],
    "dag-processor": [str(Path(sys.executable).with_name("airflow")), "dag-processor"],
    "api-server": [str(Path(sys.executable).with_name("airflow")), "api-server"],
}


def main(folder: Path) -> int:
    """Run scheduler, DAG processor and API server, and return 1 if one ended.

    Each has a log of its own in the folder.
    """
    servers = []
    for name, command in _SERVERS.items():
        with (folder / f"{name}.log").open("w") as log:
            # Airflow's own commands.
            servers.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))  # noqa: S603

    def stop(signal_number: int, frame: FrameType | None) -> None:
        for server in servers:
            server.terminate()

    signal.signal(signal.SIGTERM, stop)
    os.wait()  # one cannot do without the others
    stop(signal.SIGTERM, None)
    for server in servers:
        server.wait()
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
