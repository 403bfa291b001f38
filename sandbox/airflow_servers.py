"""Airflow's servers as one process: `python -m sandbox.airflow_servers FOLDER` runs them until one ends.

They get no pid files and no terminal; whoever stops this process stops them all.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

_SERVERS = (("scheduler",), ("dag-processor",), ("api-server",))


def main(folder: Path) -> int:
    """Run scheduler, DAG processor and API server, each with a log of its own in the folder; 1 if one ended."""
    airflow = Path(sys.executable).with_name("airflow")
    servers = []
    for arguments in _SERVERS:
        with (folder / f"{arguments[0]}.log").open("w") as log:
            # Airflow's own commands.
            server = subprocess.Popen([str(airflow), *arguments], stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
            servers.append(server)

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
