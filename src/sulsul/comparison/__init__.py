"""Several networks, their controls and the baselines, judged alike on the same texts."""

from sulsul.comparison.compare import Controls, Spread, comparison_to_csv, run_comparison
from sulsul.comparison.contenders import DEFAULT_MODELS, Contender, build_contenders, controls_of, model_named
from sulsul.comparison.running import ComparisonInterrupted, Listener
from sulsul.comparison.trials import Trial

__all__ = [
    "DEFAULT_MODELS",
    "ComparisonInterrupted",
    "Contender",
    "Controls",
    "Listener",
    "Spread",
    "Trial",
    "build_contenders",
    "comparison_to_csv",
    "controls_of",
    "model_named",
    "run_comparison",
]
