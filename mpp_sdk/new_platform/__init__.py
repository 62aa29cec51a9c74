"""Writes the project of a new platform, ready to be filled with business.

In `template/`, each file ends in `.tmpl`; `dot-` at the beginning of a name stands for a dot, and
the folder `package` for the platform's own package. `{{name}}` is replaced.
"""
