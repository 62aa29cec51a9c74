"""What a re-synchronisation does with a platform, and what it finds."""

from enum import StrEnum


class Step(StrEnum):
    """What is to be done next with a platform; how it ended in the last three."""

    EVENTS = "EVENTS"
    SUBSCRIPTIONS = "SUBSCRIPTIONS"
    NOTIFICATIONS = "NOTIFICATIONS"
    DONE = "DONE"
    NOT_REACHED = "NOT_REACHED"
    NOT_SUPPORTED = "NOT_SUPPORTED"


ENDED = frozenset({Step.DONE, Step.NOT_REACHED, Step.NOT_SUPPORTED})
"""The steps in which nothing more is done with a platform."""


class FindingKind(StrEnum):
    """What was found."""

    EVENT_UNKNOWN = "EVENT_UNKNOWN"
    SUBSCRIPTION_RECONSTRUCTED = "SUBSCRIPTION_RECONSTRUCTED"
    SUBSCRIPTION_ENDED = "SUBSCRIPTION_ENDED"
    SUBSCRIPTION_UNKNOWN = "SUBSCRIPTION_UNKNOWN"
    SUBSCRIPTION_MISSING = "SUBSCRIPTION_MISSING"
    STATE_CONFLICT = "STATE_CONFLICT"
    TERMS_CONFLICT = "TERMS_CONFLICT"
    NOTIFICATIONS_FORGOTTEN = "NOTIFICATIONS_FORGOTTEN"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    NOT_REACHED = "NOT_REACHED"
    NOT_SUPPORTED = "NOT_SUPPORTED"


class FindingOutcome(StrEnum):
    """Whether a finding was mended, is only to be known, or waits for a person."""

    RESTORED = "RESTORED"
    NOTED = "NOTED"
    OPEN = "OPEN"
