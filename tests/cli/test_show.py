"""``checkpointer show``."""


def test_it_prints_the_adjoint_and_writes_nothing(checkpointer, heat, tmp_path):
    finished = checkpointer("show", "heat.py")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("# Adjoint of heat.py, written by checkpointer ")
    assert "for step in range(steps)  Revolve(snapshots=2)" in finished.stdout
    assert "        u[1:-1] += 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])\n" in finished.stdout
    compile(finished.stdout, "shown.py", "exec")
    assert [path.name for path in tmp_path.iterdir()] == ["heat.py"]


def test_it_is_what_rewrite_writes(checkpointer, heat, tmp_path):
    checkpointer("rewrite", "heat.py")
    assert checkpointer("show", "heat.py").stdout == (tmp_path / "heat_adjoint.py").read_text("utf-8")


def test_names_and_comments_in_any_script(checkpointer, heat):
    heat.write_text("# Wärme — 熱\n" + heat.read_text("utf-8"), encoding="utf-8")
    assert "# Wärme — 熱\n" in checkpointer("show", "heat.py").stdout
