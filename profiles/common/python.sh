# Run the batch programs: the last line of the scripts that read this file calls `program`.
#
# They need Python 3.11 or 3.12 and nothing else: the checkout's environment, or that of the
# shell that Snakemake was started from.
source=${0%/*}/../../src/xamsflow/batch
python=${0%/*}/../../.venv/bin/python
[ -x "$python" ] || python=python3

program() {
    # Isolated, and without the environment's packages: that halves the time to start.
    exec "$python" -I -S "$source/__main__.py" "$@"
}
