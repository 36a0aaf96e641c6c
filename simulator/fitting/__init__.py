"""Fitting: from numbers that were measured to the distributions of the language, and how well they fit."""
