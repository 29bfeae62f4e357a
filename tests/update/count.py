"""python count.py FILE: how many rows each table of a service's database has, as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import psycopg
from psycopg import sql

with psycopg.connect(os.environ["MIGRATION_DATABASE_URL"]) as connection:
    tables = [name for (name,) in connection.execute("SELECT relname FROM pg_stat_user_tables ORDER BY 1")]
    statement = sql.SQL("SELECT count(*) FROM {}")
    counts = {table: connection.execute(statement.format(sql.Identifier(table))).fetchall()[0][0] for table in tables}
Path(sys.argv[1]).write_text(json.dumps(counts))
