# SPDX-License-Identifier: BSD-2-Clause
"""The page that a soak makes, in Markdown."""
import math
import statistics

from page import machine, table
from record import SERIES, too_large
from slopes import CONFIDENCE

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40
COUNTERS = ("memprov_events_total", "memprov_events_lost_total", "memprov_resyncs_total", "memprov_stacks_unwound_total",
            "memprov_stacks_dropped_total", "memprov_touch_samples_total", "memprov_given_up_total",
            "memprov_symbolizer_restarts_total", "memprov_history_errors_total", "memprov_snapshot_duration_seconds_count")


def sparkline(values):
    """Medians of as many pieces as fit, between the least and the most of all."""
    pieces = [values[i * len(values) // WIDTH:(i + 1) * len(values) // WIDTH] for i in range(WIDTH)]
    medians = [statistics.median(piece) for piece in pieces if piece]
    least, most = min(medians), max(medians)
    return "".join(BARS[int((m - least) / (most - least) * 7.99) if most > least else 0] for m in medians)


def number(value):
    if math.isinf(value):
        return "?"
    return f"{value:,.0f}" if value == round(value) and abs(value) >= 1 or value == 0 else f"{value:.3g}"


def row(key, moments, rests, slope):
    series, at_rest = SERIES[key], [moment.values[key] for moment in rests]
    what = f"{series.name}, {series.unit}" if series.unit else series.name
    if series.most is not None:
        verdict = [f"{number(series.most)} in all", "**no**" if key in too_large(moments) else "yes"]
    elif series.bound is None:
        verdict = ["-", "-"]
    else:
        verdict = [number(series.bound), "**no**" if slope.low > series.bound else
                   "yes" if slope.high <= series.bound else "not above, as far as can be told"]
    return [what, sparkline([moment.values[key] for moment in rests]), number(statistics.median(at_rest)),
            number(max(moment.values[key] for moment in moments)), number(slope.middle),
            f"{number(slope.low)} to {number(slope.high)}", *verdict]


def totals(metrics):
    return [[f"`{name}`", f"{sum(value for key, value in metrics.items() if key.split('{')[0] == name):,.0f}"]
            for name in COUNTERS]


def render(soak, recorder, warm_up, slopes):
    rests = recorder.rests(warm_up)
    load = [moment.values["load"] for moment in recorder.moments]
    facts = [*machine(), f"{recorder.moments[-1].hours:.2f} hours, seed {soak.seed}, {soak.rounds} rounds; "
             f"warm-up {warm_up:.2f} hours, {len(rests)} moments at rest judged",
             f"load of the machine {min(load):.1f} to {max(load):.1f}: what else ran there is part of the mix"]
    return "\n\n".join([
        "# A soak",
        "Made by `make soak`. " + " ".join(soak.__doc__.split()),
        "\n".join(f"- {fact}" for fact in facts),
        "## What was recorded",
        f"What grows is judged by the moments at rest alone, by the median of the slopes of all pairs (Theil–Sen), with an "
        f"interval of {CONFIDENCE:.1%}; a figure may not be certain to grow by more than its bound. `yes`: the whole interval "
        f"lies below it. History fills up to its size, and may not be larger. The line shows the moments at rest, from the least to the most; *most* is of all moments.",
        table(["figure", "at rest", "median", "most", "slope, an hour", "interval", "bound", "below"],
              [row(key, recorder.moments, rests, slopes[key]) for key in SERIES]),
        "## What happened",
        table(["of the mix", "times"], [[name, f"{n:,}"] for name, n in soak.done.items()]),
        "The daemon's own counters at the end:",
        table(["counter", "sum"], totals(recorder.counters))]) + "\n"
