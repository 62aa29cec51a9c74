"""Where the first pages are registered."""

from flask import Blueprint

blueprint = Blueprint("home", __name__, template_folder="templates")
