"""The web layer that the marketplace and every platform share."""

import warnings

# connexion imports Starlette's test client, which nothing here uses, and so would greet everybody
# who starts a server with a warning about that client's HTTP library.
warnings.filterwarnings("ignore", message=".*starlette.testclient.*")
