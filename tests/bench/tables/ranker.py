"""Which ready task is taken up next: the learned ranker and simple rules, each asked before it is known.

The logs are those of the table "forecast".
"""

import statistics

from measure import table, verdict
from replay import NOTES, of, replayed

RULE = "just unblocked, then newest"
BAR = 0.08


def at_random(found):
    """What a shuffled list would score."""
    def one(count):
        return [min(1, 1 / count), min(1, 3 / count), sum(1 / place for place in range(1, count + 1)) / count]
    return [statistics.fmean(column) for column in zip(*(one(choice["candidates"]) for choice in found))]


def scores(found, name):
    places = [choice["places"][name] for choice in found]
    return [statistics.fmean(place == 1 for place in places),
            statistics.fmean(1 <= place <= 3 for place in places),
            statistics.fmean(1 / place if place else 0 for place in places)]


def show(title, found, notes=()):
    rows = [["random"] + [f"{figure:.3f}" for figure in at_random(found)]]
    for name in sorted(found[0]["places"], key=lambda name: scores(found, name)[1]):
        rows.append([name] + [f"{figure:.3f}" for figure in scores(found, name)])
    table(f"{title} ({len(found):,} choices among 3 ready tasks or more)", ["order", "hit@1", "hit@3", "MRR"], rows,
          notes)


def main():
    found = of(replayed(), "ranker")
    blind = of(replayed("--without", "5"), "ranker")
    untouched = [choice for choice in found if not choice["touched"]]
    show("Ranker: what is taken up next", found)
    show("Ranker: the same, without knowing what was touched in the last half hour", blind)
    if untouched:
        show("Ranker: what was not touched in the last half hour", untouched)
    sessions = {}
    for choice in found:
        sessions.setdefault(choice["session"], []).append(choice)
    rows = [[name, f"{len(ours):,}", f"{scores(ours, 'learned')[1]:.3f}", f"{scores(ours, RULE)[1]:.3f}",
             f"{scores(ours, 'learned')[1] - scores(ours, RULE)[1]:+.3f}"]
            for name, ours in sorted(sessions.items()) if len(ours) >= 200]
    table("Ranker: hit@3 of each session with 200 choices", ["session", "choices", "learned", RULE, "more"], rows, NOTES)
    print()
    gained = scores(found, "learned")[1] - scores(found, RULE)[1]
    verdict(f"hit@3 at least {BAR} above \"{RULE}\" (by {gained:.3f})", gained >= BAR)
    verdict("and above it in each session with 200 choices", all(float(row[4]) > 0 for row in rows))


main()
