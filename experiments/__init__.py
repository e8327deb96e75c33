"""Ask a question end to end: the command line, one file a question, and the page."""
