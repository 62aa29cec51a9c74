"""What every capability of the marketplace stands on: settings, database, unit of work, audit."""
