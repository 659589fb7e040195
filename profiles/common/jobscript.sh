#!/bin/sh
# properties = {properties}
#
# A batch job: leaves its exit code in a file as it ends, so that nobody depends on how long the
# batch system remembers it. submit fills in the name of the file and its own umask.
marker=
ended_by=

leave_exit_code() {{
    code=${{ended_by:-$?}}
    trap '' TERM INT HUP
    if [ -n "$marker" ]; then
        echo "$code $(uname -n)" >"$marker.new" && mv "$marker.new" "$marker"
    fi
    exit "$code"
}}

# Batch systems send SIGTERM before they kill. The shell waits for its command, which got it, too.
trap 'ended_by=143' TERM
trap 'ended_by=130' INT
trap 'ended_by=129' HUP
trap 'ended_by=152' XCPU
trap leave_exit_code EXIT

{exec_job}
