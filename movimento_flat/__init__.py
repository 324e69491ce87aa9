"""Card movements from MySQL or PostgreSQL, joined by Hadoop MapReduce, as one CSV."""

__version__ = "0.1.0"
