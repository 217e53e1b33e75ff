"""The registry: its HTTP API, the import into it, and the server on the DU."""

from core.registry.client import SITE_HEADER, RegistryClient
from core.registry.ingest import Import
from core.registry.one_pass import STAGE, Ingested, IngestOptions
from core.registry.publish import Lack, lacks_of_names, lacks_of_stage, publish
from core.registry.server import RegistryServer, RegistryStatus, registry_client

__all__ = [
    "SITE_HEADER",
    "STAGE",
    "Import",
    "IngestOptions",
    "Ingested",
    "Lack",
    "RegistryClient",
    "RegistryServer",
    "RegistryStatus",
    "lacks_of_names",
    "lacks_of_stage",
    "publish",
    "registry_client",
]
