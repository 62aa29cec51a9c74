"""The page that a run of the demonstration leaves: one file, nothing from outside."""

from datetime import timedelta
from pathlib import Path

from jinja2 import Environment, PackageLoader

from examples.demo.drawing import load_curve, sequence_diagram, timeline
from examples.demo.report import Report


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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        template.render(
            report=report,
            seconds=_seconds,
            diagram=sequence_diagram(report.participants, report.messages),
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


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.2f} s"
