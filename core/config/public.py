"""The config as it may leave the site: keys that Airferry knows, and nothing else.

The file is shared with other tools, whose keys, and comments, may hold anything.
"""

from __future__ import annotations

import yaml

from core.config.compose import composed
from core.config.keys import TOP_LEVEL

_HEADER = "# The site's config as Airferry knows it; keys of other tools are left out.\n"


def public_text(text: str) -> str:
    """Return the text of a config with the keys that Airferry knows only, without comments.

    Args:
        text: The whole file; it was read without problems before.
    """
    root, _ = composed(text)
    if not isinstance(root, yaml.MappingNode):
        return _HEADER
    root.value = [(key, value) for key, value in root.value if key.value in TOP_LEVEL]
    return _HEADER + (yaml.serialize(root, allow_unicode=True) if root.value else "")
