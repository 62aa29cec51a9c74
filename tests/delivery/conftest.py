"""The marketplaces that the functional tests have, for tests that do them harm."""

from tests.functional.conftest import (  # noqa: F401 - fixtures are found by their names
    marketplace,
    on_postgresql,
    on_sqlite,
    prepared_postgresql,
    prepared_sqlite,
)
