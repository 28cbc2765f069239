"""All that can be said about a file by reading it: every refusal, and warnings of what is likely to be refused later."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from checkpointer.errors import TransformError
from checkpointer.transforms import codes, fence, hazards
from checkpointer.transforms.marks import find_marks
from checkpointer.transforms.scopes import Scopes
from checkpointer.transforms.source import read_source

_SILENCED = re.compile(r"#\s*noqa\s*:\s*([A-Z0-9, ]+)")


@dataclass(frozen=True, order=True)
class Finding:
    """One refusal or warning."""

    line: int
    """From 1."""
    column: int
    """From 0."""
    code: str
    what: str
    instead: str
    text: str
    """The source line."""

    @property
    def severity(self) -> str:
        """``"warning"`` for what the rewriter accepts, ``"refusal"`` for what it refuses."""
        return "warning" if self.code in codes.WARNINGS else "refusal"


def lint_source(source: str, filename: str, scheme_names: Collection[str]) -> tuple[Finding, ...]:
    """Everything that is wrong with one file, in the order of the text.

    A warning is silenced by a comment ``# noqa: CKP302`` on its line; a refusal is not.

    Parameters
    ----------
    source : str
        The text of the file.
    filename : str
        Its name; nothing is read from it.
    scheme_names : collection of str
        The schemes that a mark comment may name without importing them.
    """
    found: list[TransformError] = []
    try:
        file = read_source(source, filename)
    except TransformError as error:  # nothing can be said about what is no Python
        found.append(error)
    else:
        scopes = Scopes(file.tree)
        marks = find_marks(file, scopes, scheme_names, found.append)
        fence.check(file, scopes, marks, found.append)
        hazards.check(file, scopes, marks, found.append)
    findings = {
        Finding(error.line, error.column, error.code, error.what, error.instead, error.text)
        for error in found
    }
    return tuple(sorted(finding for finding in findings if not _is_silenced(finding)))


def _is_silenced(finding: Finding) -> bool:
    comment = _SILENCED.search(finding.text)
    return finding.severity == "warning" and comment is not None and finding.code in comment[1]
