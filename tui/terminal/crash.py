"""What is left when the screens themselves fail: a sentence on the terminal, details in a log.

Textual would print the local variables of every function that was at work, typed secrets among
them.
"""

from __future__ import annotations

import os
import traceback

from textual.worker import WorkerFailed

from core.config import Config, ensure_state_dir
from core.errors import AirferryError
from tui.terminal.text import safe

LOG_NAME = "screens.log"


def last_words(error: BaseException, config: Config) -> str:
    """Write down where an error came from, and return what to say of it.

    Args:
        error: What nobody expected.
        config: The site, which says where logs are.
    """
    if isinstance(error, WorkerFailed):
        error = error.error
    said = f"The screens failed: {safe(type(error).__name__, 60)}. A run at work goes on."
    again = "Open them again: airferry. Or go on without them: airferry watch"
    try:
        path = ensure_state_dir(config) / LOG_NAME
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.writelines(traceback.format_exception(error))
    except (OSError, AirferryError):
        return f"{said}\n  {again}"
    return f"{said}\n  {again}\n  Details: {safe(str(path))}"
