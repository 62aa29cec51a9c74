"""The five points of delivery of the demonstration, and what becomes of each."""

GRANTED = ("ZIVxxxxxxxxxx", "HOUSEHOLD-A", "HOUSEHOLD-B")
DENIED = "571313000000002000"
WITHDRAWN = "HOUSEHOLD-C"
TITLES = {
    "ZIVxxxxxxxxxx": "A household in Crevillent (STG S02 report)",
    "HOUSEHOLD-A": "Household A (hourly CSV)",
    "HOUSEHOLD-B": "Household B (half-hourly CSV)",
    WITHDRAWN: "Household C (half-hourly CSV): the customer withdraws in the middle",
    DENIED: "A point of delivery from a CIM document: the customer refuses",
}

EXPECTED = {
    **dict.fromkeys(GRANTED, ("GRANTED", "ACTIVE")),
    DENIED: ("DENIED", ""),
    WITHDRAWN: ("WITHDRAWN", "ENDED"),
}
"""The states of consent and activation that each must have in the end."""
