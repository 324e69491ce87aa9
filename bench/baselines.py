"""The same flat table by programs of one machine, as a good programmer would write it. Runs in their own environment.

    baselines.py duckdb|polars|sql HOST PORT DATABASE OUTPUT    password in MYSQL_PWD

None sorts its rows, as the project does: each has less to do.
"""

import csv
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from movimento_flat.schema import AMOUNT, FLAT_TABLE, TABLES  # noqa: E402

USER = "movimento_reader"
CONNECTIONS = 2
COLUMNS = ", ".join(f"{flat.table.name}.{flat.source.name} AS {flat.name}" for flat in FLAT_TABLE)
JOINS = """
    JOIN {0}cartao AS cartao ON cartao.id = movimento.id_cartao
    JOIN {0}conta AS conta ON conta.id = cartao.id_conta
    JOIN {0}associado AS associado ON associado.id = cartao.id_associado
"""
TIMESTAMPS = "%Y-%m-%d %H:%M:%S"


def by_duckdb(host: str, port: str, database: str, output: Path) -> None:
    """Let DuckDB read the server by its MySQL extension."""
    import duckdb  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    from duckdb_extensions import import_extension  # type: ignore[import-not-found]  # noqa: PLC0415

    connection = duckdb.connect(config={"threads": CONNECTIONS})
    import_extension("mysql_scanner", con=connection)
    connection.execute("SET preserve_insertion_order = false; SET mysql_time_as_time = false; USE memory")
    address = f"host={host} port={port} user={USER} database={database}"
    connection.execute(f"ATTACH '{address}' AS source (TYPE mysql, READ_ONLY)")
    query = f"SELECT {COLUMNS} FROM source.movimento AS movimento {JOINS.format('source.')}"
    options = f"HEADER, TIMESTAMPFORMAT '{TIMESTAMPS}'"
    connection.execute(f"COPY ({query}) TO '{output}' ({options})")


def by_polars(host: str, port: str, database: str, output: Path) -> None:
    """Let ConnectorX read the tables, movements by ranges of ids, and Polars join them in memory."""
    import connectorx  # type: ignore[import-not-found]  # noqa: PLC0415
    import polars  # noqa: PLC0415

    address = f"mysql://{USER}:{quote(os.environ['MYSQL_PWD'])}@{host}:{port}/{database}"

    def read(table: str) -> "polars.DataFrame":
        parts = {"partition_on": "id", "partition_num": CONNECTIONS} if table == "movimento" else {}
        frame: polars.DataFrame = connectorx.read_sql(
            address, f"SELECT * FROM {table}", return_type="polars", **parts
        )
        return frame

    names = [table.name for table in reversed(TABLES)]  # the largest first
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        tables = dict(zip(names, pool.map(read, names), strict=True))
    flat = polars.SQLContext(tables).execute(
        f"SELECT {COLUMNS} FROM movimento {JOINS.format('')}", eager=True
    )
    # ConnectorX reads amounts with ten decimals.
    flat = flat.with_columns(polars.col(AMOUNT).cast(polars.Decimal(38, 2)))
    flat.write_csv(output, datetime_format=TIMESTAMPS)


def by_sql(host: str, port: str, database: str, output: Path) -> None:
    """Let the server join, and write row by row with PyMySQL and the csv module."""
    import pymysql  # noqa: PLC0415

    password = os.environ["MYSQL_PWD"]
    server = pymysql.connect(host=host, port=int(port), user=USER, password=password, database=database)
    with (
        output.open("w", newline="", encoding="utf-8") as file,
        server.cursor(pymysql.cursors.SSCursor) as cursor,
    ):
        cursor.execute(f"SELECT {COLUMNS} FROM movimento {JOINS.format('')}")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column[0] for column in cursor.description or ())
        writer.writerows(cursor)


if __name__ == "__main__":
    program, server, server_port, schema, file = sys.argv[1:]
    {"duckdb": by_duckdb, "polars": by_polars, "sql": by_sql}[program](
        server, server_port, schema, Path(file)
    )
