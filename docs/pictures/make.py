"""The pictures of README.md: what a terminal shows of the first example there.

    python docs/pictures/make.py

runs the commands, and writes an .svg file for each beside this one.
"""

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
WIDTH = 100
COMMANDS = {
    "show.svg": ["show", "--color", "--no-pager", "first.py:final_energy"],
}
"""Name of the picture -> what is said to ``checkpointer``."""


def output_of(arguments: list[str]) -> str:
    """What the command prints in a folder that holds the first example of the README as ``first.py``."""
    example = re.search(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert example is not None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "first.py").write_text(example[1], encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "checkpointer", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout


def picture_of(name: str) -> str:
    """The picture of a command as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(output_of(COMMANDS[name])))
    said = [argument for argument in COMMANDS[name] if not argument.startswith("--")]
    return console.export_svg(title=f"checkpointer {' '.join(said)}", unique_id=name.partition(".")[0])


if __name__ == "__main__":
    for picture in COMMANDS:
        (HERE / picture).write_text(picture_of(picture), encoding="utf-8")
