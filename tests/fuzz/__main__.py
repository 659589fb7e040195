"""Coverage-guided fuzzing for a bounded time: ``make fuzz``.

Each target runs in a process of its own, with limited memory, so that a crash of a C library, a
hang, or memory without bound is seen. Needs atheris (libFuzzer for Python). What it finds is left
in ``fuzz/<target>/``, as a file that makes it happen again.
"""

import argparse
import inspect
import subprocess
import sys
from pathlib import Path

MEMORY_MB = 6000
HANG_S = 20

TARGETS = ("lz4", "blosc", "records", "run_document")


def main() -> int:
    """Fuzz each target for its share of the time; return 0 if nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target [60]")
    parser.add_argument("--output", type=Path, default=Path("fuzz"), help="folder [fuzz]")
    parser.add_argument("--target", choices=TARGETS, help="only this one, in this process")
    options = parser.parse_args()
    if options.target is not None:
        return fuzz(options.target, options.output / options.target, options.seconds)
    failed = []
    for target in TARGETS:
        command = [sys.executable, str(Path(__file__).parent), "--target", target]
        command += ["--seconds", str(options.seconds), "--output", str(options.output)]
        ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        lines = ended.stderr.splitlines()
        print(target, "failed" if ended.returncode else "passed", *lines[-1:], flush=True)
        if ended.returncode:
            print(*lines[-40:], sep="\n")
            failed.append(target)
    return len(failed)


def fuzz(target: str, folder: Path, seconds: int) -> int:
    """Fuzz one target; libFuzzer ends this process."""
    import atheris  # noqa: PLC0415 - installed only for this
    import targets  # noqa: PLC0415

    # Not by import: numba cannot compile functions that have been instrumented.
    for module in (targets.files, targets.rundoc, targets.records):
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                atheris.instrument_func(function)

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from live_records import compress, pulse  # noqa: PLC0415

    raw = pulse(1000, 0, 500).tobytes()
    seeds = {
        "lz4": compress(raw),
        "blosc": compress(raw, "blosc"),
        "records": raw,
        "run_document": b'{"number": 7, "start": {"$date": "2026-01-05T12:00:00Z"}, '
        b'"daq_config": {"processing_threads": {"r": 1}, "compressor": "lz4"}}',
    }
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "seed").write_bytes(seeds[target])

    def one(data: bytes) -> None:
        if target == "records":
            whole = len(data) - len(data) % targets.DTYPE.itemsize
            targets.check_records(targets.np.frombuffer(data[:whole], targets.DTYPE))
        elif target == "run_document":
            targets.run_document_file(data)
        else:
            targets.live_file(data, target)

    arguments = [
        *(sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-timeout={HANG_S}"),
        *(f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={folder}/", "-max_len=8192"),
        *("-seed=1", "-print_final_stats=0"),
    ]
    atheris.Setup(arguments, one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
