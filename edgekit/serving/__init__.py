"""One small HTTP server for artifacts of every task. Knows no task and runs no model itself."""
