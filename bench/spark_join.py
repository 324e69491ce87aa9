r"""The same flat table by PySpark, as a good programmer would write it. Runs in PySpark's own environment.

    spark_join.py jdbc URL OUTPUT [--partitions N] [--parts]    four tables of a database; password in MYSQL_PWD
    spark_join.py tsv FOLDER OUTPUT [--sort-merge]              tagged TSV, as the project's join reads it

OUTPUT is a folder: of one CSV for jdbc, of CSV parts for tsv, of parts without headers for --parts. Small tables are
broadcast, but not with --sort-merge. Rows are not sorted as the project does: Spark has less to do here.
"""

import argparse
import os
from collections.abc import Callable

from pyspark.sql import Column, DataFrame, SparkSession  # type: ignore[import-not-found]
from pyspark.sql.functions import broadcast, col, lit, replace, split, when  # type: ignore[import-not-found]

USER = "movimento_reader"
FETCH_ROWS = 10_000
#: Tags and columns of the small tables in tagged TSV, and the schema of a line of movements.
SMALL_TABLES = {
    "associado": ("A", ("id", "nome", "sobrenome", "idade")),
    "conta": ("C", ("id", "tipo", "data_criacao", "id_associado")),
    "cartao": ("K", ("id", "num_cartao", "nom_impresso", "data_criacao", "id_conta", "id_associado")),
}
MOVEMENT_LINE = """
    tag STRING, id STRING, vlr_transacao STRING, des_transacao STRING, data_movimento STRING, id_cartao BIGINT
"""
#: In this order: what stands for the backslash is put back last.
ESCAPES = (("\\\\", "\ue000"), ("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0"), ("\\s", "\x1e"))

Tables = dict[str, DataFrame]


def main() -> None:
    """Read, join, write."""
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
    """The four tables as the database has them, movements by ranges of ids if in several partitions."""
    options = {"url": url, "driver": "org.mariadb.jdbc.Driver", "fetchsize": str(FETCH_ROWS)}
    options |= {"user": USER, "password": os.environ["MYSQL_PWD"]}
    reader = spark.read.format("jdbc").options(**options)
    tables = {name: reader.option("dbtable", name).load() for name in SMALL_TABLES}
    reader = reader.option("dbtable", "movimento")
    if partitions > 1:
        bounds = "SELECT MIN(id) AS least, MAX(id) AS greatest FROM movimento"
        row = spark.read.format("jdbc").options(**options).option("query", bounds).load().first()
        reader = reader.options(partitionColumn="id", lowerBound=row.least, upperBound=row.greatest)
        reader = reader.option("numPartitions", partitions)
    return tables | {"movimento": reader.load()}


def tsv_tables(spark: SparkSession, folder: str) -> Tables:
    """The four tables from tagged TSV: escapes undone, NULL where the mark of NULL stands."""
    lines = spark.read.text(f"{folder}/small_tables")
    tables = {}
    for name, (tag, columns) in SMALL_TABLES.items():
        fields = split(lines.value, "\t")
        rows = lines.where(lines.value.startswith(tag))
        tables[name] = rows.select(
            *(text(fields[number]).alias(column) for number, column in enumerate(columns, 1))
        )
        ids = [column for column in columns if column.startswith("id") and column != "idade"]
        tables[name] = tables[name].withColumns({column: col(column).cast("bigint") for column in ids})
    reader = spark.read.schema(MOVEMENT_LINE).options(sep="\t", quote="", lineSep="\n", nullValue="\\N")
    movements = reader.csv(f"{folder}/movements")
    return tables | {"movimento": movements.withColumn("des_transacao", text(col("des_transacao")))}


def text(field: Column) -> Column:
    """A field of tagged TSV -> its text."""
    unescaped = field
    for escaped, bare in ESCAPES:
        unescaped = replace(unescaped, lit(escaped), lit(bare))
    unescaped = replace(unescaped, lit("\ue000"), lit("\\"))
    return when(field == lit("\\N"), None).when(field.contains("\\"), unescaped).otherwise(field)


def flat_table(tables: Tables, hint: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """The join: a movement with its card, the card's account and its holder."""
    associate, account, card = (hint(tables[name]).alias(name) for name in SMALL_TABLES)
    joined = (
        tables["movimento"]
        .alias("movimento")
        .join(card, col("movimento.id_cartao") == col("cartao.id"))
        .join(account, col("cartao.id_conta") == col("conta.id"))
        .join(associate, col("cartao.id_associado") == col("associado.id"))
    )
    return joined.select(
        col("associado.nome").alias("nome_associado"),
        col("associado.sobrenome").alias("sobrenome_associado"),
        col("associado.idade").alias("idade_associado"),
        col("movimento.vlr_transacao").alias("vlr_transacao_movimento"),
        col("movimento.des_transacao").alias("des_transacao_movimento"),
        col("movimento.data_movimento").alias("data_movimento"),
        col("cartao.num_cartao").alias("numero_cartao"),
        col("cartao.nom_impresso").alias("nome_impresso_cartao"),
        col("cartao.data_criacao").alias("data_criacao_cartao"),
        col("conta.tipo").alias("tipo_conta"),
        col("conta.data_criacao").alias("data_criacao_conta"),
    )


def write_csv(flat: DataFrame, output: str, header: bool) -> None:
    """RFC 4180 as the project writes it; Spark trims texts and escapes quotes by backslashes unless told not to."""
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
    """What went from stage to stage, by Spark's own account; broadcast tables are not in it."""
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return sum(executors.apply(number).totalShuffleWrite() for number in range(executors.size()))


if __name__ == "__main__":
    main()
