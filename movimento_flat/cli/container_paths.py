"""Paths as the user wrote them: in the cluster's client container some have other names."""

import os
import re
from collections.abc import Mapping

#: Path in the container (`hadoop-docker/cluster` mounts it) -> the variable that has what the user wrote.
_SHOWN = {
    "/output": "MOVIMENTO_FLAT_OUTPUT_SHOWN",
    "/run/password": "MOVIMENTO_FLAT_PASSWORD_SHOWN",
    "/run/tls_ca": "MOVIMENTO_FLAT_TLS_CA_SHOWN",
    "/run/token_key": "MOVIMENTO_FLAT_KEY_SHOWN",
}


def as_the_user_wrote(message: str, environment: Mapping[str, str] = os.environ) -> str:
    """A message -> the same with the names that the user knows; outside the container it stays as it is."""
    for path, variable in _SHOWN.items():
        if shown := environment.get(variable):
            message = re.sub(rf"(?<![\w./-]){path}(?![\w-])", shown.replace("\\", r"\\"), message)
    return message
