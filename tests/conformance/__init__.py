"""Tests of the conformance kit: against sound platforms, and against deliberately faulty ones."""
