"""The experiments of the reference notebooks as complete run specifications, by name."""

from sulsul.recipes.registry import load_recipe, recipe_names, unpadded

__all__ = ["load_recipe", "recipe_names", "unpadded"]
