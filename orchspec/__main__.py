"""`python -m orchspec`: the `orch` command."""

from orchspec.cli import main

if __name__ == "__main__":
    main()
