"""Start the engine's process: `python -m core.engine`."""

import os
import sys

from core.engine.process import main

status = main()
sys.stdout.flush()
sys.stderr.flush()
# The run has ended and its journal is closed. A thread of the Docker SDK may still wait for a host
# that says nothing any more; it must not keep the process, and with it the lock, alive.
os._exit(status)
