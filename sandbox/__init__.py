"""Real PostgreSQL, Apache Kafka and Airflow on a laptop, without containers."""
