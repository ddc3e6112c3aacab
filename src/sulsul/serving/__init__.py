"""A trained classifier behind HTTP: prediction, explanation, health, metrics and a page to try it on."""
