"""Runs Spectral, the linter of OpenAPI documents, on the contracts."""
