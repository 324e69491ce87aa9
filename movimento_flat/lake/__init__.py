"""The flat table as a lake: a folder of Parquet files, one for each month, which many programs read as one table."""
