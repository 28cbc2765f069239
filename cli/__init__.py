"""The command line: one file per command, gathered in `checkpointer.cli.main`."""
