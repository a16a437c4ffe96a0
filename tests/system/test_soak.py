# SPDX-License-Identifier: BSD-2-Clause
"""How `make soak` judges: what grows is found, and nothing that does not."""
import math
import random
import sys

from memprov import ROOT

sys.path.insert(0, str(ROOT / "tests" / "soak"))
from record import SERIES, Moment, growing, too_large  # noqa: E402
from slopes import Slope, theil_sen  # noqa: E402

# Long enough for it on a machine that is busy with more.
HOURS = [n / 60 for n in range(60)]


def test_a_slope_is_that_of_most():
    line = [3 * at for at in HOURS]
    line[7] = line[31] = 1000  # two that are far off
    slope = theil_sen(HOURS, line)
    assert abs(slope.middle - 3) < 1e-9 and slope.low <= 3 <= slope.high
    assert theil_sen(HOURS, [114] * 60) == Slope(0, 0, 0)
    few = theil_sen(HOURS[:4], [1, 2, 3, 4])
    assert few.middle == 60 and (few.low, few.high) == (-math.inf, math.inf)


def test_noise_is_no_growth_and_growth_in_noise_is_found():
    false_alarms = 0
    for seed in range(200):
        noise = [random.Random(seed * 100 + n).gauss(27, 0.2) for n in range(60)]
        false_alarms += theil_sen(HOURS, noise).low > 0
        assert theil_sen(HOURS, [y + 2 * at for at, y in zip(HOURS, noise)]).low > 0.1
    assert false_alarms <= 2  # one in 2,000 is expected


def test_only_what_is_certain_is_judged():
    slopes = {key: Slope(1e9, -1, 2e9) for key in SERIES}
    assert growing(slopes) == []
    slopes["rss"], slopes["descriptors"], slopes["cpu"] = Slope(0.3, 0.2, 0.4), Slope(1, 1, 1), Slope(9, 9, 9)
    assert growing(slopes) == ["rss"]


def test_what_has_a_size_of_its_own_may_fill_up_to_it():
    moment = Moment(1, True, {key: 0 for key in SERIES})
    assert too_large([moment]) == []
    moment.values |= {"history": 1.0, "rss": 1e9}
    assert too_large([moment]) == []
    full = Moment(2, False, moment.values | {"history": 1.01})
    assert too_large([moment, full]) == ["history"]
