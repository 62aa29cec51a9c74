"""The blueprint that the pages of an account belong to."""

from flask import Blueprint

blueprint = Blueprint("account", __name__, template_folder="templates")
