"""The registry: its HTTP API, the import into it, and the server on the DU."""

from core.registry.client import SITE_HEADER, RegistryClient
from core.registry.ingest import STAGE, Ingested, ingest
from core.registry.publish import Lack, lacks_of_names, lacks_of_stage, publish, site_names
from core.registry.server import RegistryServer, RegistryStatus

__all__ = [
    "SITE_HEADER",
    "STAGE",
    "Ingested",
    "Lack",
    "RegistryClient",
    "RegistryServer",
    "RegistryStatus",
    "ingest",
    "lacks_of_names",
    "lacks_of_stage",
    "publish",
    "site_names",
]
