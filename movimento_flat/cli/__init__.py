"""The command movimento-flat: its options, what it says, and the stages in their order on an engine."""
