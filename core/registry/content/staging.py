"""Where blobs wait for the manifests that name them."""

STAGE = "airferry/stage"
"""The repository into which layers are sent before it is known where they belong."""
