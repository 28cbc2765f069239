"""The version, alone, so that building the package need not import it."""

VERSION = "0.1.0"
