# SPDX-License-Identifier: BSD-2-Clause
"""How fast a series of measurements grows, whatever single ones do: the median of the slopes of all pairs (Theil, Sen),
with the interval that follows from Kendall's statistic."""
import dataclasses
import math
import statistics

import numpy

# Of a run with twenty series, one in fifty would be said to grow by chance alone.
CONFIDENCE = 0.999


@dataclasses.dataclass
class Slope:
    middle: float
    low: float
    high: float


def theil_sen(at, values):
    """Units of value for one of `at`. Too few measurements leave the interval without bounds."""
    at, values = numpy.asarray(at, float), numpy.asarray(values, float)
    n = len(at)
    first, second = numpy.triu_indices(n, 1)
    slopes = numpy.sort((values[second] - values[first]) / (at[second] - at[first]))
    if not len(slopes):
        return Slope(0.0, -math.inf, math.inf)
    _, ties = numpy.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    low = round((len(slopes) - z * math.sqrt(variance)) / 2)
    high = len(slopes) - 1 - low
    return Slope(float(numpy.median(slopes)), float(slopes[low]) if low >= 0 else -math.inf,
                 float(slopes[high]) if low >= 0 else math.inf)
