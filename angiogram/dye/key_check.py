"""Checks that the loader knows the dye by the key that signs it."""

from psycopg2.extensions import connection

from angiogram.core.errors import KeyMismatch
from ingestion.key_fingerprint import key_fingerprint
from ingestion.loader.store import follower_key_fingerprints
from ingestion.settings import DyeKeys


def check_key(database: connection) -> None:
    """Check that every running loader, or else the latest one, verifies this run's signature.

    Raises:
        KeyMismatch: a loader would not verify it, and would keep the dye apart.
        SettingsError: DYE_KEY is not set.
    """
    fingerprint = key_fingerprint(DyeKeys.from_environment().accepted()[0])
    accepted = follower_key_fingerprints(database)
    if not accepted:
        with database.cursor() as query:
            query.execute("select key_fingerprints from raw.loaders order by started_at desc limit 1")
            accepted = [fingerprints for (fingerprints,) in query.fetchall()]
    for fingerprints in accepted:
        if fingerprint not in fingerprints:
            raise KeyMismatch(
                f"DYE_KEY has the fingerprint {fingerprint}, but the loader accepts {', '.join(fingerprints)}: it "
                "would keep the dye apart. Nothing was sent. Give both the same DYE_KEY (the loader takes a "
                "second one from DYE_KEY_OLD while they are exchanged) and start the loader again, "
                "or once `ingestion load --until-caught-up`."
            )
