"""Checks on what a run left: its history, its scores, its bundle."""
