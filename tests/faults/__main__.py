"""``make faults``: every fault with several seeds, and the table of fault and outcome."""

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from faults import checks, reference
from faults.case import NotPossible, opened
from faults.catalogue import FAULTS
from faults.reference import Reference
from xamsflow.views import terminal
from xamsflow.views.terminal import Column


def strike(name: str, seed: int, folder: Path, undisturbed: Reference) -> tuple[bool, str]:
    """Make one fault happen at one moment; return whether all was well, and what became of it."""
    place = folder / f"{name}.{seed}"
    try:
        with opened(place, seed, undisturbed) as case:
            try:
                FAULTS[name](case)
                outcome = checks.finish(case)
            except NotPossible as reason:
                return True, f"not possible here: {reason}"
    except Exception as error:
        traceback.print_exc()
        return False, " ".join(f"{type(error).__name__}: {error}".split())
    shutil.rmtree(place)
    return True, outcome


def main() -> int:
    """Strike, print and write the table; exit code 1 if anything was not survived."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="faults; none: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--at-once", type=int, default=2, help="cases at the same time [2]")
    parser.add_argument("--output", type=Path, default=Path("faults.md"))
    parser.add_argument("--folder", type=Path, help="what is left of failed cases is kept here")
    options = parser.parse_args()
    unknown = set(options.names) - set(FAULTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(FAULTS)}")
    folder = options.folder or Path(tempfile.mkdtemp(prefix="xamsflow-faults-"))
    began = time.monotonic()
    undisturbed = reference.make(folder / "reference")
    results: dict[str, dict[int, tuple[bool, str]]] = {}
    with ProcessPoolExecutor(options.at_once) as pool:
        running = {
            pool.submit(strike, name, seed, folder, undisturbed): (name, seed)
            for seed in options.seeds
            for name in options.names or FAULTS
        }
        for done in as_completed(running):
            name, seed = running[done]
            survived, outcome = done.result()
            results.setdefault(name, {})[seed] = survived, outcome
            print(f"{name} {seed}: {'' if survived else 'NOT SURVIVED: '}{outcome}", flush=True)
    write_table(results, options.output)
    failed = sum(not survived for by_seed in results.values() for survived, _ in by_seed.values())
    cases = sum(len(by_seed) for by_seed in results.values())
    minutes = (time.monotonic() - began) / 60
    print(f"\n{len(results)} faults, {cases} cases, {cases - failed} survived, {minutes:.0f} min")
    print(f"table: {options.output}" + (f"; what is left: {folder}" if failed else ""))
    if not failed and options.folder is None:
        shutil.rmtree(folder)
    return int(failed > 0)


def write_table(results: dict[str, dict[int, tuple[bool, str]]], output: Path) -> None:
    """Print the table of fault and outcome, and write it as Markdown and JSON."""
    rows = []
    for name in (name for name in FAULTS if name in results):
        by_seed = results[name]
        good = [seed for seed, (survived, _) in by_seed.items() if survived]
        outcomes = sorted({outcome for _, outcome in by_seed.values()})
        rows.append((name.replace("_", " "), f"{len(good)}/{len(by_seed)}", "; ".join(outcomes)))
    columns = [Column("fault"), Column("survived"), Column("outcome")]
    print(terminal.table(columns, rows, line=None))
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = [[column.name for column in columns], ["---"] * len(columns), *rows]
    markdown = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    output.write_text(markdown, encoding="utf-8")
    output.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
