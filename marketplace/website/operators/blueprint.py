"""What the pages of this area are registered at."""

from flask import Blueprint

blueprint = Blueprint("operators", __name__, template_folder="templates")
