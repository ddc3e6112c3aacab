"""Keras model files, read and written without Keras: nothing that a file holds is ever run."""
