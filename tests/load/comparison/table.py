"""The figures as people read them: medians per server, and ratios that were taken pair by pair."""

import statistics

# Which figure, its heading, its format.
COLUMNS = [
    ("cpu_us_per_mbit", "CPU us/Mbit", "{:,.0f}"),
    ("cores", "cores", "{:.3f}"),
    ("rss_per_publisher_kib", "KiB/publisher", "{:.1f}"),
    ("start_p50", "Start p50 ms", "{:.1f}"),
    ("start_p99", "p99 ms", "{:.1f}"),
    ("lateness_p99", "late p99 ms", "{:.1f}"),
    ("switches_per_message", "switches/msg", "{:.3f}"),
    ("syscalls_per_message", "syscalls/msg", "{:.2f}"),
    ("dropped", "dropped", "{:.0f}"),
    ("other_cores", "other cores", "{:.2f}"),
]
# What ratios are taken of.
COMPARED = [("cpu_us_per_mbit", "CPU"), ("rss_per_publisher_kib", "RSS"), ("start_p50", "Start p50")]


def flat(figures):
    return figures | {
        "start_p50": figures["start_ms"]["p50"],
        "start_p99": figures["start_ms"]["p99"],
        "lateness_p99": figures["lateness_ms"]["p99"],
    }


def values(runs, name):
    return [flat(run)[name] for run in runs if name in flat(run)]


def spread(numbers):
    return {
        "median": round(statistics.median(numbers), 4),
        "min": round(min(numbers), 4),
        "max": round(max(numbers), 4),
        "pairs": len(numbers),
    }


def ratios(runs_of_server, runs_of_base, name):
    """The runs are lists by pair, None where a run failed."""
    found = []
    for ours, theirs in zip(runs_of_server, runs_of_base):
        if ours and theirs and flat(theirs).get(name):
            found.append(flat(ours)[name] / flat(theirs)[name])
    return spread(found) if found else None


def summary(row, runs):
    """For machines: medians by server, ratios of each server to each base. `runs[server][pair]`."""
    medians, compared = {}, {}
    for server, by_pair in runs.items():
        good = [run for run in by_pair if run]
        names = [name for name, _, _ in COLUMNS]
        medians[server] = {
            name: round(statistics.median(numbers), 4)
            for name in names
            if (numbers := values(good, name))
        }
        for base in ("nginx", "discard"):
            if base in runs and base != server:
                of_base = {name: ratios(by_pair, runs[base], name) for name, _ in COMPARED}
                compared.setdefault(server, {})[base] = of_base
    return {"type": "summary", "row": row, "medians": medians, "ratios": compared}


def text(summed, say):
    row, medians = summed["row"], summed["medians"]
    headings = [heading for _, heading, _ in COLUMNS]
    say(f"\n{row} (medians)")
    say(f"{'server':<16}" + "".join(f"{heading:>15}" for heading in headings))
    for server, figures in medians.items():
        cells = [form.format(figures[name]) if name in figures else "-" for name, _, form in COLUMNS]
        say(f"{server:<16}" + "".join(f"{cell:>15}" for cell in cells))
    for server, bases in summed["ratios"].items():
        for base, of_base in bases.items():
            for name, word in COMPARED:
                if found := of_base[name]:
                    say(
                        f"{server} to {base}, {word}: {found['median']:.2f}"
                        f" ({found['min']:.2f} .. {found['max']:.2f}, {found['pairs']} pairs)"
                    )
