"""The database: sessions and roles, what PostgreSQL's errors mean, and who waits for whom.

Comes in: settings. Goes out: open connections, and the project's own errors. The migrations are in
`ingestion.migrations`. May import: `errors`, `contract`, `settings`, `message`.
"""
