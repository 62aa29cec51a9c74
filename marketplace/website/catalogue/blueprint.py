"""The catalogue's part of the website."""

from flask import Blueprint

from marketplace.website.catalogue.countries import country_name

blueprint = Blueprint("catalogue", __name__, template_folder="templates")
blueprint.add_app_template_filter(country_name, "country")
