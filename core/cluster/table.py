"""The plain table: original name, name to use, and what is behind it."""

from __future__ import annotations

from collections.abc import Sequence

from core.cluster.names import Use

COLUMNS = ("original", "use", "image-id", "digest", "bundle", "platforms")


def table_text(uses: Sequence[Use]) -> str:
    """Return a line for each name, columns parted by tabs; `-` stands for what is not known."""
    rows = [
        (
            use.reference.familiar,
            use.name,
            ",".join(use.image_ids),
            use.digest,
            use.bundle,
            ",".join(use.platforms),
        )
        for use in uses
    ]
    return "".join("\t".join(cell or "-" for cell in row) + "\n" for row in [COLUMNS, *rows])
