"""One committed run a question on a published model, and the script that makes them again."""
