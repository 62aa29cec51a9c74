"""Where the pages of negotiations are registered."""

from flask import Blueprint

blueprint = Blueprint("negotiation", __name__, template_folder="templates")
