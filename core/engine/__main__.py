"""Start the engine's process: `python -m core.engine`."""

import sys

from core.engine.process import main

sys.exit(main())
