"""Checks on how a run is set up: its settings, its encoded texts, its untrained network."""
