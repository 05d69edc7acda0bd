"""`python -m rearguard` is the `rearguard` command."""

from rearguard.cli.main import main

main()
