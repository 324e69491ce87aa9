"""Runs the command movimento-flat, also as `python -m movimento_flat`."""


def main() -> None:
    """Run the command.

    It is imported here, since each process that this one starts by multiprocessing imports this module.
    """
    from movimento_flat.cli import main as command  # noqa: PLC0415

    command.main()


if __name__ == "__main__":
    main()
