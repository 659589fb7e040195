"""Let the shell complete commands and options."""

import argparse

HELP = "print a script with which bash or zsh completes commands and options"

SCRIPT = """\
# Completion of xamsflow. Load it with: source <(xamsflow completion SHELL)
_xamsflow() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" verb="${{COMP_WORDS[1]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{verbs} --help --version"
    else
        case "$verb" in
{options}
        esac
        [ "${{word#-}}" != "$word" ] || words=""
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _xamsflow xamsflow
"""
"""Words that are not options are completed as file names (``-o default``)."""

FOR_ZSH = """\
(( $+functions[compdef] )) || { autoload -U +X compinit && compinit }
autoload -U +X bashcompinit && bashcompinit
"""
"""zsh emulates bash completion once its own completion is switched on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.description = (
        "Print a completion script. Load it in ~/.bashrc or ~/.zshrc with: "
        "source <(xamsflow completion bash), or zsh."
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell to print the script for")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    from xamsflow import cli  # noqa: PLC0415
    from xamsflow.cli import command  # noqa: PLC0415 - imports this module

    cases = [
        f'            {verb}) words="{" ".join(command.options_of(verb))}" ;;' for verb in cli.VERBS
    ]
    script = SCRIPT.format(verbs=" ".join(cli.VERBS), options="\n".join(cases))
    print((FOR_ZSH if options.shell == "zsh" else "") + script, end="")
    return 0
