"""Where the pages of subscriptions are registered."""

from flask import Blueprint

blueprint = Blueprint("subscriptions", __name__, template_folder="templates")
