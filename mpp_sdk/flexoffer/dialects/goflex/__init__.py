"""Flex-offers as the GOFLEX pilots sent them, in JSON.

Facts and names: the samples of GoFlexH2020 and the Java of aau-fed (flexoffer_agent), both public;
the later names are those of flexoffer-specifications. Both spellings are read, whichever it is;
written is that of the pilots unless asked otherwise. Which sign means consumption is said by the
caller: the public documents contradict each other, and a guess would turn loads into generators.

What has no place in the model is kept word for word and written again (`Message.other`), except
inside slices and schedules, where it is dropped. What the dialect has no words for (exclusive
profiles, polytopes, two-mode operation, some states) is refused when written, with the reason.
"""

from mpp_sdk.flexoffer.dialects.goflex.message import Assignment, Message, Sign, Spelling, Tariff
from mpp_sdk.flexoffer.dialects.goflex.reading import read
from mpp_sdk.flexoffer.dialects.goflex.writing import write

__all__ = ["Assignment", "Message", "Sign", "Spelling", "Tariff", "read", "write"]
