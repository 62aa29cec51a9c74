"""What the tests of the SDKs in other languages share."""

import pytest

from tests.sdk.java.compiled import JavaSdk, compiled


@pytest.fixture(scope="session")
def java_sdk() -> JavaSdk:
    """Return the SDK for Java as it is shipped, compiled."""
    return compiled()
