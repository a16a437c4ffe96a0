# SPDX-License-Identifier: BSD-2-Clause
"""`make soak` finds what grows, and calls nothing growth that does not: a short one, of a daemon that is made to leak."""
import math
import os
import random
import subprocess
import sys

import pytest

from memprov import ROOT

sys.path.insert(0, str(ROOT / "tests" / "soak"))
from record import SERIES, growing  # noqa: E402
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


@pytest.mark.plain
@pytest.mark.seconds(1200)
def test_a_daemon_that_leaks(bpf, tmp_path):
    page = tmp_path / "page.md"
    done = subprocess.run(
        [ROOT / "tests" / "soak" / "run", "--rounds", "12", "--tick", "0.5", "--seed", "7", "--page", page,
         "--only", "tenants,clock stepped"], env={**os.environ, "LEAK_BYTES": "65536"}, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1, done.stderr
    assert last.startswith("soak: seed 7: RSS of the daemon, without its ring grows by "), last
    assert last.endswith(", and may by 0.1") or "; " in last, last
    text = page.read_text()
    assert all(f"\n| {series.name}" in text for series in SERIES.values())
    assert "| launcher killed | 1 |" in text and "seed 7, 12 rounds" in text
