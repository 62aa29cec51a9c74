"""Generates the SDK's models, handlers and clients from the contracts in `openapi/`."""
