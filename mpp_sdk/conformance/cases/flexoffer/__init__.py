"""Cases of the contract that platforms serve to those who offer them flexibility."""
