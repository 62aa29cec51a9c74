"""The blueprint that the pages of a company belong to."""

from flask import Blueprint

blueprint = Blueprint("company", __name__, template_folder="templates")
