"""How values look on a page: moments, durations, prices, numbers, states."""

import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any

from flask import Flask
from flask_babel import format_datetime, format_decimal, format_timedelta, ngettext
from flask_babel import gettext as _
from markupsafe import Markup

from marketplace.website.frame.labels import explanation, label, tone
from marketplace.website.frame.zones import zone
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import Price, PriceModel

_DURATION = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?",
    re.ASCII,
)
_NOTHING = Markup('<span class="nothing">&ndash;</span>')


def add_filters(site: Flask) -> None:
    """Give a site's templates these formats as filters."""
    filters: dict[str, Callable[..., Any]] = {
        "moment": moment,
        "day": day,
        "relative": relative,
        "duration": duration,
        "price": price,
        "number": number,
        "state": state,
        "label": label,
    }
    site.jinja_env.filters.update(filters)


def moment(value: datetime | None) -> Markup:
    """Return a moment in the visitor's time zone; the exact one shows on hover."""
    return _time(value, "d MMM y, HH:mm")


def day(value: datetime | None) -> Markup:
    """Return the day of a moment in the visitor's time zone; the exact moment shows on hover."""
    return _time(value, "d MMM y")


def relative(value: datetime | None) -> Markup:
    """Return how far a moment is from now, such as "in 2 days"; a script keeps the words true."""
    if value is None:
        return _NOTHING
    local = value.astimezone(zone())
    words = format_timedelta(value - now(), add_direction=True)
    return Markup('<time datetime="{}" title="{}" data-relative>{}</time>').format(
        local.isoformat(), _exact(local), words
    )


def duration(text: str | None) -> Markup:
    """Return an ISO 8601 duration in words; the duration itself shows on hover."""
    if not text:
        return _NOTHING
    return Markup('<span title="{}">{}</span>').format(text, duration_words(text))


def duration_words(text: str) -> str:
    """Return an ISO 8601 duration in words; what is none stays as it is."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return text
    parts = {name: int(value) for name, value in found.groupdict().items() if value}
    words = {
        "years": lambda n: ngettext("%(num)s year", "%(num)s years", n),
        "months": lambda n: ngettext("%(num)s month", "%(num)s months", n),
        "weeks": lambda n: ngettext("%(num)s week", "%(num)s weeks", n),
        "days": lambda n: ngettext("%(num)s day", "%(num)s days", n),
        "hours": lambda n: ngettext("%(num)s hour", "%(num)s hours", n),
        "minutes": lambda n: ngettext("%(num)s minute", "%(num)s minutes", n),
        "seconds": lambda n: ngettext("%(num)s second", "%(num)s seconds", n),
    }
    return " ".join(words[name](count) for name, count in parts.items())


def price(value: Price) -> str:
    """Return a price with its currency and what it is paid for."""
    if value.model is PriceModel.FREE:
        return str(_("free of charge"))
    amount = f"{value.amount} {value.currency}"
    per = {
        PriceModel.PER_POD: _("for each point of delivery"),
        PriceModel.PER_DOCUMENT: _("for each document"),
        PriceModel.PER_KWH: _("for each kWh"),
    }.get(value.model)
    parts = [amount, *([str(per)] if per else [])]
    if value.interval:
        parts.append(str(_("every %(interval)s", interval=duration_words(value.interval))))
    return " ".join(parts)


def number(value: float | int | None) -> str | Markup:
    """Return a number as the visitor's language writes it."""
    return _NOTHING if value is None else str(format_decimal(value))


def state(value: Enum | str | None) -> Markup:
    """Return a state as the contract names it, coloured by what it means for people."""
    if value is None:
        return _NOTHING
    code = str(value.value if isinstance(value, Enum) else value)
    words = explanation(value)
    title = Markup(' title="{}"').format(words) if words else ""
    return Markup('<span class="state {}"{}>{}</span>').format(tone(code), title, code)


def _time(value: datetime | None, pattern: str) -> Markup:
    if value is None:
        return _NOTHING
    local = value.astimezone(zone())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        local.isoformat(), _exact(local), format_datetime(value, pattern)
    )


def _exact(local: datetime) -> str:
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} {local:%Z}"
