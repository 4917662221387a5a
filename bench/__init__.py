"""Cases, measurement, tables, plots and the command line."""
