"""What must hold at every moment, asked at many: a few times in `make test`, many times in `make soak`."""

import os

LONG = bool(os.environ.get("MOVIMENTO_FLAT_SOAK"))

#: Extractions in a row, on each server, while others write; some of them are whole runs.
EXTRACTIONS = 50 if LONG else 5
WHOLE_RUN_EVERY = 10 if LONG else 5
#: Moments at which a run is killed: one that reads a server, and one that has a server of its own.
KILLS = 100 if LONG else 4
KILLS_WITH_A_SERVER = 20 if LONG else 3
#: For one test.
TIMEOUT_SECONDS = 3600 if LONG else 600
