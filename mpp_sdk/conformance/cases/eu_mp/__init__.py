"""Cases of the contract that every platform serves to the marketplace."""
