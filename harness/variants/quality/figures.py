"""What a classifier's logits say beyond its classes: calibration, and whether two differ. Pure functions.

Logits are floats (n, classes), labels integers (n,) from 0. Nothing here knows a file, a data set or a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.confusion import Labels, check_pairs
from harness.errors import DataError
from harness.model.proportion import Z
from harness.model.quality import CalibrationFigures

Logits = NDArray[np.floating[Any]]
Values = NDArray[np.float64]

BINS = 15  # Guo et al. (2017), and nearly everybody since
# A temperature beyond these means that none exists, not that one was found.
COLDEST, HOTTEST = 0.01, 100.0


@dataclass(frozen=True)
class Difference:
    """See harness.model.quality.Paired, whose fields of the same names these are."""

    only_a_right: int
    only_b_right: int
    p_value: float
    difference: float
    low: float
    high: float


def calibration_figures(logits: Logits, labels: Labels, temperature: float = 1.0) -> CalibrationFigures:
    """ECE, adaptive ECE, NLL and Brier score of softmax(logits / temperature)."""
    log_shares = log_softmax(logits, temperature)
    shares = np.exp(log_shares)
    confidences, right = shares.max(1), log_shares.argmax(1) == labels
    return CalibrationFigures(
        ece=expected_calibration_error(confidences, right),
        adaptive_ece=adaptive_calibration_error(confidences, right),
        nll=negative_log_likelihood(logits, labels, temperature),
        brier=brier_score(shares, labels),
    )


def log_softmax(logits: Logits, temperature: float = 1.0) -> Values:
    """Logarithms of the predicted shares of each class, (n, classes)."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    scaled -= np.log(np.exp(scaled).sum(1, keepdims=True))
    return scaled


def expected_calibration_error(confidences: Values, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Mean distance, weighted by images, of confidence and accuracy in bins of equal width, open below, closed above.

    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks" (2017), equation 3.
    """
    check_pairs(len(confidences), len(right))
    index = np.clip(np.ceil(np.asarray(confidences) * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=np.asarray(confidences, np.float64) - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(right))


def adaptive_calibration_error(confidences: Values, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """The same in bins of (nearly) as many images each, cut from the images ordered by confidence.

    Source of such bins: Nguyen, O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models" (2015). Top class alone, unlike Nixon et al.'s adaptive error, which adds up all classes.
    """
    check_pairs(len(confidences), len(right))
    order = np.argsort(confidences, kind="stable")
    gaps = (np.asarray(confidences, np.float64) - right)[order]
    return float(sum(abs(part.sum()) for part in np.array_split(gaps, bins)) / len(right))


def negative_log_likelihood(logits: Logits, labels: Labels, temperature: float = 1.0) -> float:
    """Mean over the images of minus the logarithm of the true class's predicted share, in nats."""
    check_pairs(len(logits), len(labels))
    return float(-log_softmax(logits, temperature)[np.arange(len(labels)), labels].mean())


def brier_score(shares: Values, labels: Labels) -> float:
    """Mean squared distance of the predicted shares from the truth, summed over classes: 0 best, 2 worst.

    Source: Brier, "Verification of forecasts expressed in terms of probability" (1950), which sums over classes too.
    """
    check_pairs(len(shares), len(labels))
    true = shares[np.arange(len(labels)), labels]
    return float(((shares**2).sum(1) - 2 * true + 1).mean())


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature that minimises the NLL of these logits; give it images that nothing else is judged on.

    The NLL is convex in 1 / temperature, so its slope there, the mean of (expected logit - true logit), has one root,
    which is found by bisection. Source: Guo et al. (2017), section 4.2. DataError where no temperature between 0.01
    and 100 is the minimum: all images right (the colder the better), or no better than chance (the hotter the better).
    """
    check_pairs(len(logits), len(labels))
    scores = np.asarray(logits, np.float64)
    cold, hot = math.log(1 / COLDEST), math.log(1 / HOTTEST)  # as logarithms of 1 / temperature
    if _slope(scores, labels, math.exp(cold)) <= 0:
        raise DataError(
            f"no temperature fits {len(labels)} images: the model is right, and the surer the better, on all of them; "
            "hold out more images, and ones that it was not trained on"
        )
    if _slope(scores, labels, math.exp(hot)) >= 0:
        raise DataError(f"no temperature fits {len(labels)} images: the model is no better than chance on them")
    for _ in range(60):
        middle = (cold + hot) / 2
        if _slope(scores, labels, math.exp(middle)) > 0:
            cold = middle
        else:
            hot = middle
    return math.exp(-(cold + hot) / 2)


def _slope(scores: Values, labels: Labels, inverse: float) -> float:
    shares = np.exp(log_softmax(scores, 1 / inverse))
    return float(((shares * scores).sum(1) - scores[np.arange(len(labels)), labels]).mean())


def mcnemar(a: Labels, b: Labels, labels: Labels) -> Difference:
    """Two predictions of the same images: McNemar's exact test, and the difference of their accuracies, b minus a.

    p is two-sided from the binomial distribution of the images on which just one is right, 1 where there is none. The
    95 % interval is Bonett and Price's adjusted Wald interval for paired data (J. Educ. Behav. Stat. 37, 2012): one
    image is added to either kind of disagreement, so it has a width even where the two never disagree.
    """
    check_pairs(len(a), len(labels))
    check_pairs(len(b), len(labels))
    a_right, b_right = a == labels, b == labels
    only_a, only_b, count = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum()), len(labels)
    share_a, share_b = (only_a + 1) / (count + 2), (only_b + 1) / (count + 2)
    middle = share_b - share_a
    half = Z * math.sqrt((share_a + share_b - middle**2) / (count + 2))
    return Difference(
        only_a,
        only_b,
        exact_sign_p(only_a, only_b),
        (only_b - only_a) / count,
        max(-1.0, middle - half),
        min(1.0, middle + half),
    )


def exact_sign_p(one: int, other: int) -> float:
    """Two-sided p of so unequal a split of one + other fair coins: 2 P(Binomial(one + other, 1/2) <= the lesser).

    In exact integers: no tail is ever rounded to zero before it is summed.
    """
    count = one + other
    ways = sum(math.comb(count, k) for k in range(min(one, other) + 1))
    p: float = 2 * ways / 2**count
    return min(1.0, p)
