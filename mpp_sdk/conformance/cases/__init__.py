"""The cases, a module for each topic; those of one contract alone are in its folder."""
