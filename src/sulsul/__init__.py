"""Recurrent text classifiers you can trust."""
