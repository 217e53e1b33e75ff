"""Airferry's work: config, bundles, registry, hosts, steps and engine. Knows nothing of Textual."""

__version__ = "1.0.0"
