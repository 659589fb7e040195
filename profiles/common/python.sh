# Define `program`, which runs the batch programs. The sourcing script must set $common to this
# folder.
#
# The programs need only Python 3.11 or 3.12: that of the checkout's environment or, without one,
# that of the shell in which Snakemake was started.
# shellcheck shell=sh disable=SC2154  # $common: set by the sourcing script
repository=$common/../..
python=$repository/.venv/bin/python
[ -x "$python" ] || python=python3

program() {
    # Isolated mode without the environment's packages halves the startup time.
    exec "$python" -I -S "$repository/src/xamsflow/batch/__main__.py" "$@"
}
