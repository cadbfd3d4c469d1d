"""Thin views and forms, a blueprint per audience; who may open what is decided in ``access``."""
