"""The journal's file: tables, migrations, rows, reading and writing."""
