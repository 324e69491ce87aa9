"""Shows paths as the user wrote them: in the cluster's client container some have other names."""

import os
import re
from collections.abc import Mapping

#: By path in the container, where `hadoop-docker/cluster` mounts it: the variable with the path as the user wrote it.
_SHOWN = {
    "/output": "MOVIMENTO_FLAT_OUTPUT_SHOWN",
    "/lake": "MOVIMENTO_FLAT_LAKE_SHOWN",
    "/metrics": "MOVIMENTO_FLAT_METRICS_SHOWN",
    "/run/password": "MOVIMENTO_FLAT_PASSWORD_SHOWN",
    "/run/tls_ca": "MOVIMENTO_FLAT_TLS_CA_SHOWN",
    "/run/tables": "MOVIMENTO_FLAT_TABLES_SHOWN",
    "/run/token_key": "MOVIMENTO_FLAT_KEY_SHOWN",
}


def as_the_user_wrote(message: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a message with the paths as the user wrote them; outside the container it stays as it is."""
    for path, variable in _SHOWN.items():
        if shown := environment.get(variable):
            message = re.sub(rf"(?<![\w./-]){path}(?![\w-])", shown.replace("\\", r"\\"), message)
    return message
