"""The reduce-side join of movements with cards, accounts and associates, by Hadoop MapReduce."""
