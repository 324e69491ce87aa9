"""What a run is to publish."""

from dataclasses import dataclass

from movimento_flat.errors import UserError
from movimento_flat.publish.limits import WORKBOOK_ROWS, Limits


@dataclass(frozen=True)
class Publishing:
    """What is published, and within which limits.

    Attributes:
        excel: whether also a workbook.
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

    def refuse_rows(self, movements: int) -> None:
        """Refuse a workbook of more rows than it may have: it takes minutes, and few programs open it.

        Raises:
            UserError: it is asked for, and so many movements are too many.
        """
        if self.excel and movements > self.limits.workbook_rows:
            raise UserError(
                f"{movements:,} movements are more than the {self.limits.workbook_rows:,} rows that the workbook may"
                " have; nothing is published.",
                f"Allow them by --excel-rows {movements}, with {WORKBOOK_ROWS:,} of them in each sheet; choose fewer by"
                " --since and --until; or run without --excel.",
            )
