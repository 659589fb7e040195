"""The programs of the profiles: ``__main__.py SYSTEM submit|status|cancel ARGUMENT…``."""

import sys
from pathlib import Path


def main(system_name: str, program: str, *arguments: str) -> int:
    """Run a program for a batch system."""
    if program == "submit":
        from xamsflow.batch import submit  # noqa: PLC0415 - each is started often

        return submit.main(system_name, *arguments)
    if program == "cancel":
        from xamsflow.batch import cancel  # noqa: PLC0415

        return cancel.main(system_name, *arguments)
    from xamsflow.batch import status  # noqa: PLC0415

    return status.main(system_name, *arguments)


if __name__ == "__main__":
    if sys.hexversion < 0x30B0000:  # the host's default Python may be too old for this package
        sys.exit(f"xamsflow: {sys.executable} is too old: activate the project's environment")
    # Started by path and without site-packages, which halves the startup time.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.exit(main(*sys.argv[1:]))
