"""The batch programs are started for every job: they must start fast and anywhere."""

import subprocess
import sys

from xamsflow.state.layout import REPOSITORY

SOURCE = REPOSITORY / "src"


def test_the_programs_need_nothing_but_the_standard_library() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r}); "
        "from xamsflow.batch import submit, status, cancel, job_end, pbs, slurm, htcondor; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert loaded <= set(sys.stdlib_module_names) | {"xamsflow", "__main__"}
