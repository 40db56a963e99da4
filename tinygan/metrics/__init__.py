"""How good are the samples: each figure with its formula, its source and its floor."""

from tinygan.metrics.classifier import (
    Classifier,
    classifier_for,
    classify,
    load_classifier,
    stacked_classes,
    train_classifier,
)
from tinygan.metrics.copies import copies, nearness
from tinygan.metrics.errors import MetricError
from tinygan.metrics.evaluate import Figure, Reals, figures, most_samples, reals
from tinygan.metrics.frechet import frechet_distance
from tinygan.metrics.histogram import histogram_kl, histogram_kl_floor
from tinygan.metrics.kernel import kernel_distance
from tinygan.metrics.manifold import density_coverage, expected_coverage, precision_recall
from tinygan.metrics.memorisation import memorisation
from tinygan.metrics.modes import mode_scores
from tinygan.metrics.overlap import intersection_over_union
from tinygan.metrics.parzen import parzen_log_likelihood
from tinygan.metrics.sliced import sliced_wasserstein
from tinygan.metrics.stacked import stacked_scores

__all__ = [
    "Classifier",
    "Figure",
    "MetricError",
    "Reals",
    "classifier_for",
    "classify",
    "copies",
    "density_coverage",
    "expected_coverage",
    "figures",
    "frechet_distance",
    "histogram_kl",
    "histogram_kl_floor",
    "intersection_over_union",
    "kernel_distance",
    "load_classifier",
    "memorisation",
    "mode_scores",
    "most_samples",
    "nearness",
    "parzen_log_likelihood",
    "precision_recall",
    "reals",
    "sliced_wasserstein",
    "stacked_classes",
    "stacked_scores",
    "train_classifier",
]
