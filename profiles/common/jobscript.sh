#!/bin/sh
# properties = {properties}
#
# A batch job. When it ends, it writes its exit code to a file, so the outcome does not depend on
# how long the batch system remembers the job. The submit program fills in the file name and its own
# umask.
marker=
ended_by=

# Libraries keep files in the user's home, which some nodes do not have.
cache=${{XDG_CACHE_HOME:-${{HOME:-/nowhere}}/.cache}}
mkdir -p "$cache" 2>/dev/null
if [ ! -w "$cache" ] && [ -n "$marker" ]; then
    export XDG_CACHE_HOME="${{marker%/submissions/*}}/caches"
fi

leave_exit_code() {{
    code=${{ended_by:-$?}}
    trap '' TERM INT HUP
    if [ -n "$marker" ]; then
        echo "$code $(uname -n)" >"$marker.new" && mv "$marker.new" "$marker"
    fi
    exit "$code"
}}

# Batch systems send SIGTERM before SIGKILL. The command receives it too, and the shell waits for
# the command to end.
trap 'ended_by=143' TERM
trap 'ended_by=130' INT
trap 'ended_by=129' HUP
trap 'ended_by=152' XCPU
trap leave_exit_code EXIT

{exec_job}
