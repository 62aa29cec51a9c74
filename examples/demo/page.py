"""The page that a run of the demonstration leaves: one file, nothing from outside."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from jinja2 import Environment, PackageLoader

from examples.demo.drawing import STEPS, load_curve, sequence_diagram, timeline
from examples.demo.messages import FIRST_OF_FLEXIBILITY
from examples.demo.profiles import corridor_picture, profile_picture, together_picture
from examples.demo.report import FlexibilityDay, Report, Shape


def write_page(report: Report, path: Path) -> None:
    """Write the page about a run."""
    environment = Environment(loader=PackageLoader("examples.demo"), autoescape=True)
    template = environment.get_template("page.html")
    moments = [
        change.at
        for group in report.groups
        for line in group.timelines
        for change in line.transitions
    ]
    start, end = min(moments), report.ended_at
    day = report.flexibility
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        template.render(
            report=report,
            seconds=_seconds,
            readings_diagram=_diagram(report, range(FIRST_OF_FLEXIBILITY)),
            flexibility_diagram=_diagram(report, range(FIRST_OF_FLEXIBILITY, len(STEPS))),
            day=day,
            together=together_picture(day.begin, day.together, day.prices),
            aggregates=_pictures(day, day.aggregates),
            devices=_pictures(day, day.devices),
            groups=[
                {
                    "title": group.title,
                    "note": group.note,
                    "timelines": [timeline(line, start, end) for line in group.timelines],
                }
                for group in report.groups
            ],
            curves=[
                {
                    "title": curve.title,
                    "note": f"{curve.pod_id}: {len(curve.readings):,} readings of "
                    f"{curve.resolution}, {curve.readings[0][0]:%Y-%m-%d} to "
                    f"{curve.readings[-1][0]:%Y-%m-%d}",
                    "picture": load_curve(curve),
                }
                for curve in report.curves
            ],
        ),
        encoding="utf-8",
    )


def _diagram(report: Report, steps: range) -> str:
    messages = [message for message in report.messages if message.step in steps]
    taking_part = {key for message in messages for key in (message.sender, message.receiver)}
    participants = [person for person in report.participants if person.key in taking_part]
    return sequence_diagram(participants, messages)


def _pictures(day: FlexibilityDay, shapes: Sequence[Shape]) -> list[dict[str, str]]:
    """Return a picture of each flex-offer, and one of its corridor where it has one."""
    found = []
    for shape in shapes:
        picture = profile_picture(shape, day.prices)
        found.append({"title": shape.title, "note": shape.note, "picture": picture})
        if shape.offer.profile.dependencies:
            title = f"{shape.title}: energy so far"
            note = "What has been used by when has to stay within the band."
            found.append({"title": title, "note": note, "picture": corridor_picture(shape)})
    return found


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.2f} s"
