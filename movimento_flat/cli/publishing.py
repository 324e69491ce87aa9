"""What a run is to publish."""

from dataclasses import dataclass

from movimento_flat.publish.limits import Limits


@dataclass(frozen=True)
class Publishing:
    """What is published, and within which limits.

    Attributes:
        excel: whether also a file for spreadsheets.
        parquet: whether also a Parquet file.
        report: whether also a page for managers.
        lake: folder of the lake whose months are written as well, or its URI in HDFS; None: there is none.
        lake_group: name of the group that may read the lake; None: nobody else may.
        limits: what a run must not exceed.
        allow_new_key: whether tokens may be made by another key than those of the previous delivery.
    """

    excel: bool = False
    parquet: bool = False
    report: bool = True
    lake: str | None = None
    lake_group: str | None = None
    limits: Limits = Limits()  # noqa: RUF009  # it is frozen
    allow_new_key: bool = False
