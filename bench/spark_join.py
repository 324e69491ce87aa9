r"""The same flat table by PySpark, as a good programmer would write it. Runs in PySpark's own environment.

    spark_join.py jdbc URL OUTPUT [--partitions N] [--parts]    four tables of a database
    spark_join.py tsv FOLDER OUTPUT [--sort-merge]              tagged TSV, as the project's join reads it

The password is in MYSQL_PWD or PGPASSWORD. OUTPUT is a folder: of one CSV for jdbc, of CSV parts for tsv, of parts
without headers for --parts. Small tables are broadcast, but not with --sort-merge. Rows are not sorted, as the project
does: Spark has less to do.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession  # type: ignore[import-not-found]
from pyspark.sql.functions import broadcast, col, lit, replace, split, when  # type: ignore[import-not-found]

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from movimento_flat.schema import FLAT_TABLE, MOVIMENTO, SMALL_TABLES, Kind  # noqa: E402

USER = "movimento_reader"
FETCH_ROWS = 10_000
#: By the kind of server in a URL: the driver's class, and the variable with the password.
DRIVERS = {
    "mysql": ("org.mariadb.jdbc.Driver", "MYSQL_PWD"),
    "postgresql": ("org.postgresql.Driver", "PGPASSWORD"),
}
#: Escaped text, and what it stands for, in this order: what stands for the backslash is put back last.
ESCAPES = (("\\\\", "\ue000"), ("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0"), ("\\s", "\x1e"))

Tables = dict[str, DataFrame]


def main() -> None:
    """Read, join, write, and print how many bytes were shuffled."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["jdbc", "tsv"])
    parser.add_argument("source")
    parser.add_argument("output")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--sort-merge", action="store_true")
    arguments = parser.parse_args()
    hint = (lambda table: table) if arguments.sort_merge else broadcast
    # An ENUM comes as CHAR, which Spark would pad with blanks.
    builder = SparkSession.builder.config("spark.sql.readSideCharPadding", False)
    spark = builder.appName("movimento_flat").getOrCreate()
    if arguments.kind == "jdbc":
        flat = flat_table(jdbc_tables(spark, arguments.source, arguments.partitions), hint)
        if not arguments.parts:
            # One file. Without a shuffle one task would read the partitions in turn.
            flat = flat.coalesce(1) if arguments.partitions == 1 else flat.repartition(1)
    else:
        flat = flat_table(tsv_tables(spark, arguments.source), hint)
    write_csv(flat, arguments.output, header=not arguments.parts)
    print(f"shuffled={shuffled_bytes(spark)}")
    spark.stop()


def jdbc_tables(spark: SparkSession, url: str, partitions: int) -> Tables:
    """Return the four tables as the database has them, movements by ranges of ids if in several partitions."""
    driver, password = DRIVERS[url.split(":")[1]]
    options = {"url": url, "driver": driver, "fetchsize": str(FETCH_ROWS)}
    options |= {"user": USER, "password": os.environ[password]}
    reader = spark.read.format("jdbc").options(**options)
    tables = {table.name: reader.option("dbtable", table.name).load() for table in SMALL_TABLES}
    reader = reader.option("dbtable", MOVIMENTO.name)
    if partitions > 1:
        bounds = "SELECT MIN(id) AS least, MAX(id) AS greatest FROM movimento"
        row = spark.read.format("jdbc").options(**options).option("query", bounds).load().first()
        reader = reader.options(partitionColumn="id", lowerBound=row.least, upperBound=row.greatest)
        reader = reader.option("numPartitions", partitions)
    return tables | {MOVIMENTO.name: reader.load()}


def tsv_tables(spark: SparkSession, folder: str) -> Tables:
    """Return the four tables from tagged TSV: escapes undone, NULL where the mark of NULL stands."""
    lines = spark.read.text(f"{folder}/small_tables")
    tables = {}
    for table in SMALL_TABLES:
        fields = split(lines.value, "\t")
        rows = lines.where(lines.value.startswith(table.tag.decode()))
        tables[table.name] = rows.select(
            *(text(fields[number]).alias(name) for number, name in enumerate(table.column_names, 1))
        ).withColumns(
            {
                column.name: col(column.name).cast("bigint")
                for column in table.columns
                if column.kind is Kind.ID
            }
        )
    types = (f"{column.name} {'BIGINT' if column.points_to else 'STRING'}" for column in MOVIMENTO.columns)
    reader = spark.read.schema(f"tag STRING, {', '.join(types)}")
    reader = reader.options(sep="\t", quote="", lineSep="\n", nullValue="\\N")
    texts = {column.name: text(col(column.name)) for column in MOVIMENTO.columns if column.kind is Kind.TEXT}
    return tables | {MOVIMENTO.name: reader.csv(f"{folder}/movements").withColumns(texts)}


def text(field: Column) -> Column:
    """Return the text of a field of tagged TSV."""
    unescaped = field
    for escaped, bare in ESCAPES:
        unescaped = replace(unescaped, lit(escaped), lit(bare))
    unescaped = replace(unescaped, lit("\ue000"), lit("\\"))
    return when(field == lit("\\N"), None).when(field.contains("\\"), unescaped).otherwise(field)


def flat_table(tables: Tables, hint: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Join each movement with its card, the card's account and its holder."""
    associate, account, card = (hint(tables[table.name]).alias(table.name) for table in SMALL_TABLES)
    joined = (
        tables["movimento"]
        .alias("movimento")
        .join(card, col("movimento.id_cartao") == col("cartao.id"))
        .join(account, col("cartao.id_conta") == col("conta.id"))
        .join(associate, col("cartao.id_associado") == col("associado.id"))
    )
    return joined.select(
        *(col(f"{flat.table.name}.{flat.source.name}").alias(flat.name) for flat in FLAT_TABLE)
    )


def write_csv(flat: DataFrame, output: str, header: bool) -> None:
    """Write RFC 4180 as the project does; Spark trims texts and escapes quotes by backslashes unless told not to."""
    flat.write.csv(
        output,
        header=header,
        escape='"',
        emptyValue="",
        ignoreLeadingWhiteSpace=False,
        ignoreTrailingWhiteSpace=False,
        timestampFormat="yyyy-MM-dd HH:mm:ss",
    )


def shuffled_bytes(spark: SparkSession) -> int:
    """Return the bytes between stages, by Spark's own account; broadcast tables are not in it."""
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return sum(executors.apply(number).totalShuffleWrite() for number in range(executors.size()))


if __name__ == "__main__":
    main()
