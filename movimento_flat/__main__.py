"""Runs the command movimento-flat, also as `python -m movimento_flat`."""

from movimento_flat.imports import import_for_good


def main() -> None:
    """Run the command.

    It is imported here, since each process that this one starts by multiprocessing imports this module.
    """
    (command,) = import_for_good("movimento_flat.cli.main")
    command.main()


if __name__ == "__main__":
    main()
