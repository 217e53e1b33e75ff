"""The headless commands: the same engine and journal as the screens."""

from core.cli.main import main

__all__ = ["main"]
