"""The fault suite: what may happen to a sync, and a checker that compares RAW with the source after each case.

`make test` runs a part of it, `make faults` all, on every Postgres found.
"""
