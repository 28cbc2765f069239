"""The codes of what is found by reading a file: stable numbers, one line each; docs/refusals.md explains them.

Codes are never reused. What is refused is decided in `fence` and `marks`, and what is warned of in `hazards`; here stands
only what a code means.
"""

from __future__ import annotations

from typing import Final

SYNTAX: Final = "CKP100"
YIELD: Final = "CKP101"
AWAIT: Final = "CKP102"
CLASS_BODY: Final = "CKP103"
NAMESPACE: Final = "CKP104"
STAR_IMPORT: Final = "CKP105"
MISPLACED_MARK: Final = "CKP110"
MISPLACED_COMMENT: Final = "CKP111"
MARKED_TWICE: Final = "CKP112"
MARK_ARGUMENTS: Final = "CKP113"
UNKNOWN_SCHEME: Final = "CKP114"
REWRITTEN_ALREADY: Final = "CKP115"

UNREPEATABLE: Final = "CKP301"
REPEATED_EFFECT: Final = "CKP302"
SWALLOWED: Final = "CKP303"
ASYNC_FUNCTION: Final = "CKP304"
UNORDERED: Final = "CKP305"
CACHED: Final = "CKP306"
LAZY_ITEMS: Final = "CKP307"
ITERATOR: Final = "CKP308"
OUT_OF_SIGHT: Final = "CKP309"
SUBCLASS: Final = "CKP310"

TITLES: Final[dict[str, str]] = {
    SYNTAX: "the file is not valid Python",
    YIELD: "yield in a marked loop",
    AWAIT: "await, async for or async with in a marked loop",
    CLASS_BODY: "marked loop directly in a class body",
    NAMESPACE: "a marked loop that looks at its own namespace",
    STAR_IMPORT: "star import in a marked loop",
    MISPLACED_MARK: "checkpointed(...) where it marks no loop",
    MISPLACED_COMMENT: "a mark comment that stands above no loop",
    MARKED_TWICE: "a loop marked twice",
    MARK_ARGUMENTS: "a mark whose arguments cannot be read",
    UNKNOWN_SCHEME: "unknown scheme in a mark comment",
    REWRITTEN_ALREADY: "the file was written by checkpointer",
}

WARNINGS: Final[dict[str, str]] = {
    UNREPEATABLE: "something that is not the same when a step is computed again",
    REPEATED_EFFECT: "an effect that is repeated when a step is computed again",
    SWALLOWED: "a handler that would catch a refusal",
    ASYNC_FUNCTION: "a marked loop in an async function",
    UNORDERED: "a marked loop over a set",
    CACHED: "a cached function in a marked loop",
    LAZY_ITEMS: "a generator that reads what the loop changes",
    ITERATOR: "next() in a marked loop",
    OUT_OF_SIGHT: "a library that the tape does not see into",
    SUBCLASS: "a subclass of ndarray",
}
