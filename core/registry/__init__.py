"""The registry: its HTTP API, the import into it, and the server on the DU."""

from core.registry.as_good import filed_otherwise
from core.registry.backup import Backup, BackupWanted
from core.registry.blob_files import BlobFiles
from core.registry.client import SITE_HEADER, RegistryClient
from core.registry.holdings import Holding, delete_names, read_holdings, with_what_is_about_them
from core.registry.ingest import Import
from core.registry.lack import Lack
from core.registry.mend import Mending
from core.registry.one_pass import STAGE, Ingested, IngestOptions
from core.registry.publish import lacks_of_names, lacks_of_stage, publish
from core.registry.restore import Lacks, Restore
from core.registry.rot import Finding, Ill, Scan, scan_storage
from core.registry.rot_elsewhere import ScanElsewhere
from core.registry.saved import Saved, open_saved, record_of
from core.registry.server import RegistryServer, RegistryStatus, has_program, registry_client
from core.registry.snapshot import Snapshot, read_snapshot
from core.registry.sources import Sources
from core.registry.storage import Storage
from core.registry.sweep import Sweep, carry_out, plan_sweep

__all__ = [
    "SITE_HEADER",
    "STAGE",
    "Backup",
    "BackupWanted",
    "BlobFiles",
    "Finding",
    "Holding",
    "Ill",
    "Import",
    "IngestOptions",
    "Ingested",
    "Lack",
    "Lacks",
    "Mending",
    "RegistryClient",
    "RegistryServer",
    "RegistryStatus",
    "Restore",
    "Saved",
    "Scan",
    "ScanElsewhere",
    "Snapshot",
    "Sources",
    "Storage",
    "Sweep",
    "carry_out",
    "delete_names",
    "filed_otherwise",
    "has_program",
    "lacks_of_names",
    "lacks_of_stage",
    "open_saved",
    "plan_sweep",
    "publish",
    "read_holdings",
    "read_snapshot",
    "record_of",
    "registry_client",
    "scan_storage",
    "with_what_is_about_them",
]
