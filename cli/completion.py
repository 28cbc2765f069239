"""``checkpointer completion``: the script that makes a shell complete the command's words."""

from __future__ import annotations

import click

_EPILOG = """\b
Examples:
  checkpointer completion bash > ~/.local/share/bash-completion/completions/checkpointer
  checkpointer completion zsh > ~/.zfunc/_checkpointer
  checkpointer completion fish > ~/.config/fish/completions/checkpointer.fish

New shells find it there: bash with the package bash-completion, or put `source <(checkpointer completion bash)` into
~/.bashrc; zsh if ~/.zshrc has `fpath+=~/.zfunc` before `compinit`; fish as it is. Commands, options, files and the schemes
of `plan --scheme` are completed.
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete this command's words."""
    from click.shell_completion import get_completion_class

    from checkpointer.cli.main import cli

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(cli, {}, "checkpointer", "_CHECKPOINTER_COMPLETE").source())
