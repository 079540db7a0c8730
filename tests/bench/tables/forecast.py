"""What a session says of itself, before it is known: completions soon, effort, flow states, remaining time.

Each log is replayed through the worker's own session; nothing is learned from before it has been forecast. Without
FB_BENCH_LOGS (files in the form that flow_replay --help describes) the logs are generated, with fixed seeds.
"""

import math
import statistics

from measure import table, verdict
from replay import GIVEN, NOTES, of, replayed

SAID = {"base": "base rate", "raw": "raw persistence", "poisson": "EWMA-Poisson", "markov": "Markov persistence",
        "model": "learned", "published": "published"}
STATES = ["resting", "warming", "flowing", "surging"]
BINS = 10


def brier(found, said):
    return statistics.fmean((one[said] - one["happened"]) ** 2 for one in found)


def log_loss(found, said):
    def loss(one):
        p = min(max(one[said], 1e-6), 1 - 1e-6)
        return -math.log(p if one["happened"] else 1 - p)
    return statistics.fmean(map(loss, found))


def auc(found, said):
    """The chance that one that happened was given more than one that did not; ties count half."""
    found = sorted(found, key=lambda one: one[said])
    happened = sum(one["happened"] for one in found)
    ranks = at = 0
    while at < len(found):
        end = at
        while end < len(found) and found[end][said] == found[at][said]:
            end += 1
        ranks += sum(one["happened"] for one in found[at:end]) * (at + end + 1) / 2
        at = end
    pairs = happened * (len(found) - happened)
    return (ranks - happened * (happened + 1) / 2) / pairs if pairs else math.nan


def calibration_error(found, said):
    bins = [[] for _ in range(BINS)]
    for one in found:
        bins[min(int(one[said] * BINS), BINS - 1)].append(one)
    return sum(abs(sum(one[said] - one["happened"] for one in group)) for group in bins) / len(found)


def by(found, key):
    groups = {}
    for one in found:
        groups.setdefault(one[key], []).append(one)
    return groups


def completions(found):
    holds = {}
    for minutes, ticks in sorted(by(found, "minutes").items()):
        sessions = {name: ours for name, ours in by(ticks, "session").items() if len(ours) >= 100}
        better = sum(brier(ours, "model") < brier(ours, "markov") for ours in sessions.values())
        reference = brier(ticks, "markov")
        rows = [[name] + [f"{figure:.4f}" for figure in (
            brier(ticks, said), log_loss(ticks, said), auc(ticks, said), calibration_error(ticks, said),
            1 - brier(ticks, said) / reference)] for said, name in SAID.items()]
        share = statistics.fmean(one["happened"] for one in ticks)
        table(f"Forecast: a completion within {minutes} min ({len(ticks):,} ticks, {share:.0%} with one)",
              ["said by", "Brier", "log loss", "AUC", "ECE", "skill over Markov"], rows)
        holds[minutes] = brier(ticks, "model") < reference, better, len(sessions)
    return holds


def effort(found):
    names = {"prior": "prior of the weight", "learned": "learned", "published": "published"}
    table(f"Effort: absolute log error of {len(found):,} holds", ["said by", "median"],
          [[name, f"{statistics.median(one[said] for one in found):.3f}"] for said, name in names.items()],
          ["Published is the learned estimate only while its median error is below the prior's."])


def states(found):
    shares = {}
    rows = []
    groups = by(found, "state")
    for state in STATES:
        ticks = groups.get(state, [])
        if ticks:
            shares[state] = statistics.fmean(one["happened"] for one in ticks)
            rows.append([state, f"{len(ticks):,}", f"{shares[state]:.2f}"])
    table("Flow states: asked every five minutes, until two hours of silence",
          ["state", "ticks", "P(completion within 30 min)"], rows, NOTES)
    return shares


def pinball(found, said, share):
    return statistics.fmean(max(share * (one["actual"] - one[said]), (share - 1) * (one["actual"] - one[said]))
                            for one in found)


def under(found, said):
    return statistics.fmean(one["actual"] <= one[said] for one in found)


def remaining(title, lines, notes=()):
    """Awake minutes until all is done that was open; a row for us and one for Holt. None if nothing came of any."""
    found = of(lines, "remaining")
    if not found:
        return None
    figures = {name: (under(found, p50), under(found, p90), pinball(found, p50, 0.5), pinball(found, p90, 0.9))
               for name, p50, p90 in (("dispatched", "p50", "p90"), ("Holt's linear trend", "holt50", "holt90"))}
    unknown = sum(one["unknown"] for one in of(lines, "log"))
    table(f"Remaining time: {title} ({len(found):,} forecasts; of {unknown:,} the end is not in the logs)",
          ["said by", "under p50", "under p90", "pinball p50, min", "pinball p90, min"],
          [[name, f"{a:.2f}", f"{b:.2f}", f"{c:,.0f}", f"{d:,.0f}"] for name, (a, b, c, d) in figures.items()], notes)
    return figures


def main():
    lines = replayed()
    holds = completions(of(lines, "forecast"))
    if of(lines, "effort"):
        effort(of(lines, "effort"))
    shares = states(of(lines, "state"))
    if GIVEN:
        times = remaining("until what is open is done", lines)
    else:
        remaining("projects that keep growing, until what is open is done", lines)
        times = remaining("projects planned at their begin, until what is open is done", replayed(once=True), [
            "Awake time, in which a silence counts for two hours at most. The forecast knows nothing of what will be "
            "added; where projects keep growing, agents prefer the new and the last of the old take long."])
    print()
    for minutes, (better, sessions, all_sessions) in holds.items():
        verdict(f"{minutes} min: learned beats Markov persistence on Brier"
                f" (on {sessions} of {all_sessions} sessions with 100 ticks)", better)
    rising = list(shares.values())
    verdict("P(completion | state) rises from state to state", rising == sorted(rising))
    if times is not None:
        (_, covered, *ours), (_, _, *holt) = times.values()
        verdict(f"remaining time: 80 to 95 % under p90 ({covered:.1%})", 0.80 <= covered <= 0.95)
        verdict("remaining time: pinball loss below Holt's at p50 and p90",
                all(mine < his for mine, his in zip(ours, holt)))


main()
