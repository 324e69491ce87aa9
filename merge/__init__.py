"""From the join's sorted parts to one CSV that is published only when it is whole and right."""
