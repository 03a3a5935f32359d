"""The parts of a row's page: what is said, how thoughts were found, the graph; template, style and script."""
