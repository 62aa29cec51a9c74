"""The marketplaces that the functional tests have, for tests that attack them."""

from tests.functional.conftest import (  # noqa: F401 - fixtures are found by their names
    on_sqlite,
    prepared_sqlite,
)
