"""What the docs show of the conformance kit: the list of its cases, and a certificate."""
