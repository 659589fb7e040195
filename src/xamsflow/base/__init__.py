"""What every room may use: errors, time, amounts, memory and files.

::

    errors            the kinds of failure, by what should happen next
    system_errors     what an error of the operating system means for a run
    clock             the current time
    amounts           times and sizes as people read and write them
    printable         text without control characters
    meter             the progress of a piece of work
    memory            how a job handles its memory
    growth            how much more a job requests after it ran short
    process           which process, on which host, and whether it still runs
    signal_thread     signals whose handlers may wait for locks
    service           signs of life for systemd
    exec_with_parent  a command that ends with the process that started it
    fork_server       a process that has imported what scripts need, and forks to run them
    fork_client       runs a script in a fork of that server
    usage             what a process has used
    starting          what a program does before all other imports
    compiling         compiled functions, safe to share between processes
    caches            where libraries keep their files
    folders           folders that may not exist yet
    durable           files that survive a power cut
    schema            checks plain data against a JSON schema
    plain_json        any value as plain JSON
    yaml_file         YAML files
"""
