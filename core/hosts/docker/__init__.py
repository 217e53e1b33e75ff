"""A host's Docker: asked, fed, configured."""
