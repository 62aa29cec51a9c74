"""The server that OpenAPI Generator writes for Flask, with its stub filled in, made to be run.

It wants connexion 2 and Flask 2.1, so it gets an environment of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

from tools.sdks import generator
from tools.sdks.documents import document_path

PACKAGE = "compared"
# What its requirements.txt asks for, with the newest of the rest that still works with that. It
# would run Werkzeug's development server; gunicorn's threads are what one deploys instead.
_REQUIREMENTS = (
    "connexion[swagger-ui]==2.14.2",
    "Flask==2.1.1",
    "Werkzeug==2.1.2",
    "gunicorn==23.0.0",
    "python-dateutil>=2.6.0",
    "setuptools<81",
)
_STUB = "return 'do some magic!'"
_FUNCTION = "def request_points_of_delivery"
_ANSWERING = """
from datetime import datetime, timezone

from {package}.models.point_of_delivery_page import PointOfDeliveryPage
from {package}.models.point_of_delivery_status import PointOfDeliveryStatus


def answer(request):
    moment = datetime.now(timezone.utc)
    items = [
        PointOfDeliveryStatus(pod_id=pod_id, consent="REQUESTED", updated_at=moment)
        for pod_id in request.pod_ids
    ]
    return PointOfDeliveryPage(items=items), 202
"""
_APPLICATION = """
import connexion

from {package} import encoder

app = connexion.App(__name__, specification_dir="./openapi/")
app.app.json_encoder = encoder.JSONEncoder
app.add_api("openapi.yaml", pythonic_params=True)
"""


def make(folder: Path) -> list[str]:
    """Return the command, to be run in `folder / "server"`, that serves it; a bind is to be added.

    Raises CannotGenerate without Java, CalledProcessError when a package cannot be had.
    """
    _generate(folder)
    server = folder / "server" / PACKAGE
    controller = server / "controllers" / "points_of_delivery_controller.py"
    before, function, after = controller.read_text().partition(_FUNCTION)
    filled = after.replace(_STUB, "return answer(points_of_delivery_request)", 1)
    controller.write_text(f"from {PACKAGE}.answering import answer\n{before}{function}{filled}")
    (server / "answering.py").write_text(_ANSWERING.format(package=PACKAGE))
    (server / "wsgi.py").write_text(_APPLICATION.format(package=PACKAGE))
    python = folder / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *_REQUIREMENTS], check=True)
    gunicorn = [str(python), "-m", "gunicorn", "--worker-class", "gthread", "--workers", "1"]
    return [*gunicorn, "--threads", "32", "--keep-alive", "60", f"{PACKAGE}.wsgi:app"]


def _generate(folder: Path) -> None:
    configuration = folder / "configuration.json"
    configuration.write_text(
        json.dumps(
            {
                "generatorName": "python-flask",
                "inputSpec": str(document_path("metering")),
                "outputDir": str(folder / "server"),
                "additionalProperties": {"packageName": PACKAGE},
            }
        )
    )
    generator.run(["batch", "--fail-fast", str(configuration)], folder)
