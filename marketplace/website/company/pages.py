"""What a company states about itself, its people, its platform and its credentials."""

from marketplace.website.company import credentials, people, platform, statement
from marketplace.website.company.blueprint import blueprint

__all__ = ["blueprint", "credentials", "people", "platform", "statement"]
