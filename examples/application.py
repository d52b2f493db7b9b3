"""How the application reads for one user of many: a pool, a transaction, SET LOCAL. Explained in docs/tenants.md.

python examples/application.py postgresql://vend_app@db.example/vend USER_ID

To the embedded server, whose address is a URI with parameters: "$VEND_POSTGRES_DSN&user=vend_app".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg_pool import ConnectionPool


@contextmanager
def acting_for(pool: ConnectionPool, user_id: UUID) -> Iterator[Connection[Any]]:
    """A connection that sees what the user may see, until the block ends, however it ends.

    user_id: from the verified session or token, never from what the request says.
    """
    with pool.connection() as connection, connection.transaction():
        # true is LOCAL: the setting ends with the transaction, before the pool lends the connection again
        connection.execute("select set_config('app.current_user_id', %s, true)", [str(user_id)])
        yield connection


def todays_revenue(pool: ConnectionPool, user_id: UUID) -> list[tuple[Any, ...]]:
    """Name of the garage, revenue and payments of the day, for each garage the user may see."""
    query = """
        select garage_name, gross_revenue, payment_count
        from reporting.mv_daily_revenue
        where payment_date = (select max(payment_date) from reporting.mv_daily_revenue)
        order by garage_name
    """
    with acting_for(pool, user_id) as connection:
        return connection.execute(query).fetchall()


def my_subscriptions(pool: ConnectionPool, user_id: UUID) -> list[tuple[Any, ...]]:
    """Garage, pass and price of each subscription of the user; row-level security would hide those of others anyway."""
    query = """
        select garages.name, passes.name, subscriptions.monthly_amount
        from public.subscriptions
        inner join public.garages on subscriptions.garage_id = garages.id
        inner join public.passes on subscriptions.pass_id = passes.id
        where subscriptions.user_id = %s
        order by subscriptions.created_at
    """
    with acting_for(pool, user_id) as connection:
        return connection.execute(query, [user_id]).fetchall()


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(f"Usage: python {sys.argv[0]} DSN USER_ID, where the user in the DSN is vend_app")
    dsn, user_id = sys.argv[1], UUID(sys.argv[2])
    with ConnectionPool(dsn, min_size=1, max_size=4, open=True) as pool:
        for name, revenue, payments in todays_revenue(pool, user_id):
            print(f"{name:<30}{revenue:>12} from {payments} payments")
        for garage, offer, price in my_subscriptions(pool, user_id):
            print(f"{garage:<30}{offer:<30}{price:>12} a month")


if __name__ == "__main__":
    main()
