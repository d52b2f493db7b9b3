"""What Snowflake would refuse, or answer otherwise than DuckDB, found in compiled SQL without an account."""
