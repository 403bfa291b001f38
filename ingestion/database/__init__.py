"""The database: sessions, roles, the meaning of PostgreSQL's errors, and waits for locks.

Comes in: settings. Goes out: open connections, and the project's own errors. The migrations are in
`ingestion.migrations`. May import: `errors`, `contract`, `settings`, `message`.
"""
