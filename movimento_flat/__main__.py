"""Runs the command movimento-flat as `python -m movimento_flat`."""

from movimento_flat.cli.main import main

if __name__ == "__main__":
    main()
