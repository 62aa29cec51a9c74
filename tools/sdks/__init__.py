"""SDKs in other languages: generated from the contracts, and packed as release artifacts."""
