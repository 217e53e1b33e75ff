"""The site's directory: where each file is, and the record by which a running lab is found."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.lab import bundles, dockerrepo
from tests.lab.labhost import LabHost
from tests.lab.paths import write_private


@dataclass
class SiteFiles:
    """The files of a site, as an operator would find them."""

    directory: Path

    @property
    def images_dir(self) -> Path:
        """The directory of the bundles: copies, a test may change them."""
        return self.directory / "imgs"

    @property
    def docker_repo(self) -> Path:
        """The offline Docker, as an apt repository in a tar."""
        return self.directory / dockerrepo.REPOSITORY_NAME

    @property
    def docker_bare(self) -> Path:
        """The offline Docker, as bare packages in a tar."""
        return self.directory / dockerrepo.BARE_NAME

    @property
    def key_path(self) -> Path:
        """The private key with which the DU logs in to the hosts."""
        return self.directory / "id_ed25519"

    @property
    def host_keys_dir(self) -> Path:
        """The hosts' private keys, which outlive the hosts."""
        return self.directory / "hostkeys"

    @property
    def known_hosts_path(self) -> Path:
        """The hosts' public keys, as read out of the hosts."""
        return self.directory / "known_hosts"

    @property
    def config_path(self) -> Path:
        """The site's config file."""
        return self.directory / "airctl-config.yaml"

    @property
    def state_dir(self) -> Path:
        """Where Airferry keeps its state on this site."""
        return self.directory / "state"

    @property
    def registry_dir(self) -> Path:
        """Where the DU's registry keeps its blobs."""
        return self.directory / "registry"

    @property
    def expected(self) -> bundles.Expected:
        """What the engine said is in each bundle, by the bundle's file name."""
        return bundles.read_expected(self.directory)

    @property
    def record_path(self) -> Path:
        """The record of the running hosts; written last, so it means that the lab is whole."""
        return self.directory / "lab.json"

    def write_record(self, hosts: list[LabHost]) -> None:
        """Record the running hosts."""
        entries = [
            {"name": host.name, "address": host.address, "container_id": host.container_id}
            for host in hosts
        ]
        write_private(self.record_path, json.dumps({"hosts": entries}, indent=2) + "\n")

    def read_record(self) -> list[dict[str, str]]:
        """Return the recorded hosts; none when there is no record."""
        if not self.record_path.is_file():
            return []
        entries: list[dict[str, str]] = json.loads(self.record_path.read_text(encoding="utf-8"))[
            "hosts"
        ]
        return entries
