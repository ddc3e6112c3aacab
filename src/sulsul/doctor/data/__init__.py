"""Checks on the texts and labels themselves, before anything is made of them."""
