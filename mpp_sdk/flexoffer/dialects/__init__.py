"""How others write flex-offers: read into the one model, and written from it, at the edge."""
