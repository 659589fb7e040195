# Define `status SYSTEM JOB`, which prints whether a batch job is running, success or failed.
#
# The shell that Snakemake starts for its status command reads this file, as a program of its own
# would cost as much again. Expects the folder of this file in $common.
#
# Called once per job and round, so the frequent answers are given here: starting Python costs ten
# times as much. The files are described in src/xamsflow/batch/submissions.py.
# shellcheck shell=sh disable=SC2154  # $common: the reader's
status() {
    job=${2%%.*}
    batch=.snakemake/batch

    if [ -e "$batch/jobs/$job/exit" ]; then
        read -r code _ <"$batch/jobs/$job/exit"
        case $code in
        0) echo success && exit 0 ;;
        [1-9]*) echo failed && exit 0 ;;
        esac
    fi

    if [ -e "$batch/waiting/$job" ] && [ -e "$batch/fresh" ]; then
        read -r until boot <"$batch/fresh"
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
