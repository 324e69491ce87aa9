"""relatorio.html: what managers ask of a delivery, on one page that needs nothing else."""
