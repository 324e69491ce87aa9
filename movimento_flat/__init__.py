"""Card movements from MySQL, joined by Hadoop MapReduce, as one CSV."""

__version__ = "0.1.0"
