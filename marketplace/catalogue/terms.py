"""The rules of prices and intervals that a contract cannot express; offers follow them too."""

from datetime import timedelta

from mpp_sdk.contracts.marketplace.models import Price, PriceModel
from mpp_sdk.errors import FieldError, InvalidInput
from mpp_sdk.metering.moments import parse_resolution


def check_price(price: Price, pointer: str = "/price") -> None:
    """Raise InvalidInput unless a price has an amount with its currency, or is free without."""
    if price.model is PriceModel.FREE:
        too_many = [name for name in ("amount", "currency", "interval") if getattr(price, name)]
        if too_many:
            raise InvalidInput(
                "What is free has neither amount nor currency nor interval.",
                [
                    FieldError(f"{pointer}/{n}", "freeWithoutAmount", "Leave it out.")
                    for n in too_many
                ],
            )
        return
    missing = [name for name in ("amount", "currency") if getattr(price, name) is None]
    if missing:
        raise InvalidInput(
            f"The price model {price.model} needs an amount and its currency.",
            [FieldError(f"{pointer}/{name}", "required", "It is missing.") for name in missing],
        )
    if price.interval is not None:
        interval(price.interval, f"{pointer}/interval")


def interval(duration: str, pointer: str) -> timedelta:
    """Return the length of an ISO 8601 duration. Raises InvalidInput when it is no time at all."""
    try:
        return parse_resolution(duration)
    except ValueError as error:
        raise InvalidInput.field(pointer, "duration", f"{error}.") from error
