"""What a run is asked to do: handed from a command or a screen to the engine's process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class RunKind(StrEnum):
    """The runs there are."""

    INSTALL = "install"
    IMPORT = "import"
    CONFIGURE_HOSTS = "configure-hosts"
    PLAN = "plan"
    CHECK = "check"
    VERIFY = "verify"

    @property
    def changes_things(self) -> bool:
        """Whether it changes the site; such runs are made one at a time."""
        return self in CHANGING


CHANGING = (RunKind.INSTALL, RunKind.IMPORT, RunKind.CONFIGURE_HOSTS)


@dataclass(frozen=True)
class RunRequest:
    """One run.

    Args:
        kind: What is to be done.
        config: The config file, absolute.
        bundles: Bundle files to import; empty for all of imagesDir.
        hosts: Names of the hosts to include; empty for all.
        skip_images: Do not warm the hosts' caches (`--skip-docker-img-import`).
        accept_new_host_keys: Accept and note host keys never seen before.
        keep_going: Import the images that are whole where others of a bundle are not.
        later_wins: Where two bundles have different images under one name, take the later's.
        recompress: Turn layers of zstd into gzip.
        name: The name for the one image of the one bundle.
    """

    kind: RunKind
    config: Path
    bundles: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    skip_images: bool = False
    accept_new_host_keys: bool = False
    keep_going: bool = False
    later_wins: bool = False
    recompress: bool = False
    name: str = ""

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> RunRequest:
        """Read it back."""
        values = json.loads(text)
        return cls(
            **{
                **values,
                "kind": RunKind(values["kind"]),
                "config": Path(values["config"]),
                "bundles": tuple(Path(path) for path in values["bundles"]),
                "hosts": tuple(values["hosts"]),
            }
        )
