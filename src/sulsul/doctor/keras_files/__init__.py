"""Checks on a Keras model file and its arrays; only the file's description is read, nothing is run."""
