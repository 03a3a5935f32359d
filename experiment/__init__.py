"""The paper's comparison with one command: build, train every arm alike, evaluate, report."""
