"""Cases of the contract that the marketplace serves to every platform."""
