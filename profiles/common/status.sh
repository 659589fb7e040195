# Define `status SYSTEM JOB`, which prints the state of a batch job: running, success or failed.
#
# The shell that Snakemake starts for its status command sources this file, because starting a
# separate program would double the cost. The sourcing script must set $common to this folder.
#
# Snakemake checks each job once per round, so the shell handles the frequent cases itself: starting
# Python takes ten times as long. src/xamsflow/batch/submissions.py describes the files.
# shellcheck shell=sh disable=SC2154  # $common: set by the sourcing script
status() {
    job=$1/$2
    batch=.snakemake/batch

    if [ -e "$batch/jobs/$job/exit" ]; then
        read -r code _ <"$batch/jobs/$job/exit"
        case $code in
        0) echo success && exit 0 ;;
        [1-9]*) echo failed && exit 0 ;;
        esac
    fi

    if [ -e "$batch/waiting/$job" ] && [ -e "$batch/queried/$1" ]; then
        read -r until boot <"$batch/queried/$1"
        read -r uptime _ </proc/uptime
        read -r this_boot </proc/sys/kernel/random/boot_id
        if [ "$boot" = "$this_boot" ] && [ "${uptime%.*}" -lt "$until" ]; then
            echo running
            exit 0
        fi
    fi

    . "$common/python.sh"
    program "$1" status "$2"
}
