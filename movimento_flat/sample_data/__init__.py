"""Makes a fictitious database: invented people, accounts, cards and movements, the same for the same seed."""
