"""`python -m gitops.cli`."""

from gitops.cli import main

main()
