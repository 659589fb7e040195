# Run the batch programs: who reads this file calls `program`. Expects its folder in $common.
#
# They need Python 3.11 or 3.12 and nothing else: the checkout's environment, or that of the
# shell that Snakemake was started from.
# shellcheck shell=sh disable=SC2154  # $common: the reader's
repository=$common/../..
python=$repository/.venv/bin/python
[ -x "$python" ] || python=python3

program() {
    # Isolated, and without the environment's packages: that halves the time to start.
    exec "$python" -I -S "$repository/src/xamsflow/batch/__main__.py" "$@"
}
