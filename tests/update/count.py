"""python count.py FILE: how many rows each table of a service's database has, as JSON. Run in the service's folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

# As the superuser: policies may hide rows from all others.
[access] = Path(".data").rglob("postgres/access.json")
password = json.loads(access.read_text())["passwords"]["postgres"]
url = httpx.URL(os.environ["MIGRATION_DATABASE_URL"]).copy_with(username="postgres", password=password)
with psycopg.connect(str(url)) as connection:
    tables = connection.execute("SELECT schemaname, relname FROM pg_stat_user_tables ORDER BY 1, 2").fetchall()
    statement = sql.SQL("SELECT count(*) FROM {}")
    counts = {
        ".".join(table): connection.execute(statement.format(sql.Identifier(*table))).fetchall()[0][0]
        for table in tables
    }
Path(sys.argv[1]).write_text(json.dumps(counts))
