def write_card(p):
    (p / "README.md").write_text("x")
