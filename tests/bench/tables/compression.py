"""Events as they are stored: zstd with and without a dictionary, and gzip."""

import glob
import json
import os
import random
import re
import subprocess
import tempfile

from measure import ROUNDS, machine, program, scaled, spread, table

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")


def sentences():
    """What stands in the contracts' comments: prose of one project, no two lines the same."""
    text = ""
    for path in sorted(glob.glob(os.path.join(ROOT, "proto", "flowbalancer", "v1", "*.proto"))):
        with open(path) as file:
            text += " ".join(re.findall("//(.*)", file.read())) + " "
    found = {each.strip() for each in re.split(r"(?<=[.!?:;])\s", re.sub(r"\s+", " ", text))}
    return sorted(each for each in found if 30 < len(each) < 300)


def main():
    lines = sentences()
    random.Random(1).shuffle(lines)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        runs = [[json.loads(line) for line in subprocess.run(
            [program("compress_load"), str(scaled(2000, 200)), file.name], check=True,
            stdout=subprocess.PIPE).stdout.splitlines()] for _ in range(ROUNDS)]
    rows = []
    for same in zip(*runs):
        one = same[0]
        per_event = one["appends"] / one["events"]
        rows.append([one["text"], one["way"], f"{one['raw'] / one['events']:.1f}",
                     f"{one['stored'] / one['events']:.1f}", f"{one['stored'] / one['raw']:.3f}"] +
                    [spread([run[key] * per_event for run in same], 2)
                     for key in ("pack_us", "unpack_us")])
    table("Compression of events, append by append",
          ["texts", "way", "bytes/event", "stored/event", "ratio", "pack us/event",
           "unpack us/event"], rows,
          [machine(),
           f"Sessions of generated work, {runs[0][0]['events']:,} events in {runs[0][0]['appends']:,} "
           "appends, packed as a worker packs them; each append by itself, as it is stored. A request "
           "id is 22 random letters and a digest 32 random bytes: these compress for nobody. The "
           "dictionaries are trained on another set. `generated`: of sentences, names and paths that "
           f"differ from those measured. `project`: of other sentences of one project ({len(lines):,} "
           "from the comments of its contracts, half for each). flow-store keeps small bodies as they are until it has learned a dictionary of "
           "8 KiB of its own first events, and its times hold the SHA-256 of each body. Times are the "
           "least of 5 in each run."])


main()
