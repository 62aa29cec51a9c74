"""The Java example keeps the contract of platforms, by the conformance kit."""

from collections.abc import Iterator

import pytest

from mpp_sdk import webhooks
from mpp_sdk.conformance import Credentials, Target, Verdict, cases_of, run
from mpp_sdk.conformance.subject import opened
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract
from tests.sdk.java.compiled import JavaSdk
from tests.sdk.java.platform import JavaPlatform

SECRETS = (webhooks.new_signing_secret(), webhooks.new_signing_secret())


@pytest.fixture
def platform(java_sdk: JavaSdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaPlatform]:
    made = JavaPlatform(java_sdk, tmp_path_factory.mktemp("java"))
    try:
        made.start(signing_secret=",".join(SECRETS))
        yield made
    finally:
        made.stop()


def test_it_keeps_the_eu_mp_contract(platform: JavaPlatform) -> None:
    target = Target(
        platform.url,
        "eu-mp",
        Credentials(platform.inbound_key, SECRETS),
        AddressPolicy(allow_private=True, allow_http=True),
    )
    with opened(target, Contract.load("eu_mp"), platform) as subject:
        done = run(subject, cases_of("eu-mp"))
    for result in done.results:
        if result.outcome != "PASSED":
            print(result.case.id, result.outcome, result.detail, result.findings)
    assert done.verdict is Verdict.CONFORMS, platform.log[-2000:]
