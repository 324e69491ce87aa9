"""movements: the lake in PySpark, run in the folder that `lake` lies in. A filter of ano_mes reads its months alone."""

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("lake").getOrCreate()
movements = spark.read.parquet("lake")
