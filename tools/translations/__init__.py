"""Keeps the website's texts and their translations together."""
