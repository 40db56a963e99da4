"""The distance between the Gaussians that fit two sets of features."""

from __future__ import annotations

import numpy as np

from tinygan.backend import host_array
from tinygan.metrics.errors import expect_enough
from tinygan.metrics.matrices import Samples, pair


def frechet_distance(x: Samples, y: Samples) -> float:
    """|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)) of features x (N, D) and y (M, D).

    m and C are mean and covariance: the squared 2-Wasserstein distance of two Gaussians (Dowson
    and Landau 1982; Heusel et al., "GANs trained by a two time-scale update rule" 2017).
    It depends on the features and on N and M, with a bias of about 1/N: only values of the same
    features and numbers can be compared, and equal distributions do not give 0.
    """
    a, b = (host_array(z).astype(np.float64) for z in pair(x, y))
    why = f"more than the {a.shape[1]} features, whose covariances are singular otherwise"
    expect_enough("frechet_distance", min(len(a), len(b)), a.shape[1] + 1, why)
    difference = a.mean(axis=0) - b.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(z, rowvar=False)) for z in (a, b))
    trace = np.trace(first) + np.trace(second) - 2 * trace_of_root(first, second)
    return float(difference @ difference + trace)


def trace_of_root(a: np.ndarray, b: np.ndarray) -> float:
    """tr (A B)^(1/2) of symmetric positive semidefinite A and B (D, D).

    A B has the eigenvalues of A^(1/2) B A^(1/2), which is symmetric: they are real and at least 0,
    and their roots sum to the trace. No root of a matrix that is not symmetric is needed, and
    nothing is added to a singular one.
    """
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum())
