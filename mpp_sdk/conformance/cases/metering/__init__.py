"""Cases of the contract that platforms with meter data serve to those who may have it."""
