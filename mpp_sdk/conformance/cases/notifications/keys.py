"""Whether a platform can change the key that it presents without a failed call.

What is tried is what every platform is tried with, in the other direction.
"""

from mpp_sdk.conformance.cases.eu_mp import keys
from mpp_sdk.conformance.notices import CONTRACT
from mpp_sdk.conformance.registry import Check, case

_CASES: tuple[tuple[Check, str, str], ...] = (
    (
        keys.works_at_once,
        "A new key is issued, is another one, and works at once",
        "The first key went through people's hands, and a platform replaces it at once.",
    ),
    (
        keys.old_one_meanwhile,
        "The old key works until the new one is used",
        "Notifications that are on their way, or wait to be tried again, carry the old key.",
    ),
    (
        keys.lost_answer,
        "When the answer is lost, the same Idempotency-Key gets the same new key again",
        "A new key that nobody has read locks the platform out for good.",
    ),
    (
        keys.another_question,
        "Another Idempotency-Key gets another key, also when they differ in one letter's case",
        "Given an old answer, a platform would go on with a key that ends too early.",
    ),
    (
        keys.two_lost_answers,
        "Two new keys whose answers are both lost lock nobody out",
        "Who asks anew after a lost answer still has the old key only.",
    ),
    (
        keys.validity,
        "A new key is valid from now on, for longer than the old one beside it, and long enough",
        "Platforms refresh by these moments; a key that ends before stops all notifications.",
    ),
    (
        keys.at_once,
        "The same question at the same moment gets one key",
        "Two processes that both refresh would each throw the other's key away.",
    ),
    (
        keys.many_times,
        "The key can be changed again and again",
        "It is changed all its life; what works once may fail when there are old keys.",
    ),
    (
        keys.strangers_meanwhile,
        "While a key is being changed, a key that was never issued is refused",
        "With two keys to compare, it is easy to compare with none.",
    ),
    (
        keys.again_with_the_new,
        "Asked again with the new key, the same Idempotency-Key still gets that key",
        "A platform that dies between using a key and noting so asks once more.",
    ),
)

for _number, (_check, _title, _why) in enumerate(_CASES, start=1):
    case(f"NOTIFICATIONS-KEY-{_number:02}", _title, why=_why, contract=CONTRACT)(_check)
