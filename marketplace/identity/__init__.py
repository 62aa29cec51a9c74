"""Who takes part: market players, their platforms, their credentials, and what each may do."""
