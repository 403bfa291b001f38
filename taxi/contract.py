"""The contract of the taxi pipeline: a message is a taxi ride, keyed by its taxi."""

from ingestion.contract import ANGIOGRAM, GENERAL_ROLES, LOADER, OWNER, Contract, FrontDoor, Role

CONTRACT = Contract(
    stream="rides",
    fields=(
        "taxi_id",
        "pax_id",
        "start_time",
        "end_time",
        "pickup_zipcode",
        "dropoff_zipcode",
        "tax_amount",
        "fare_amount",
        "currency",
        "car_model",
    ),
    key_field="taxi_id",  # so that all versions of a ride share a partition
    id_columns=("message_id", "ride_id"),
    topic="taxi_rides",
    table="taxi_rides",
    dye_view="rides_in_hand",
    dye_seed="dye_rides",
    malformed_seed="dye_malformed",
    number_column="ride_number",
    name_column="ride_name",
    database="taxi",
    roles={
        OWNER: Role("taxi_owner", "OWNER_PASSWORD"),
        LOADER: Role("taxi_loader", "LOADER_PASSWORD"),
        "dbt_dev": Role("dbt_dev", "DBT_ENV_SECRET_DEV_PASSWORD"),
        "dbt_prod": Role("dbt_prod", "DBT_ENV_SECRET_PROD_PASSWORD"),
        ANGIOGRAM: GENERAL_ROLES[ANGIOGRAM],
        "marts_reader": Role("marts_reader", "MARTS_READER_PASSWORD"),
        "airflow": GENERAL_ROLES["airflow"],
    },
    model_schemas=("staging", "intermediate", "facts", "dimensions", "revenue", "reference", "test_failures"),
    model_roles={"dbt_prod": "", "dbt_dev": "dev_"},
    readers={"marts_reader": ("revenue",)},
    commands="taxi.commands:app",
    front_door=FrontDoor(
        path="/rides",
        title="Taxi rides",
        summary="The front door of the pipeline: rides in, acknowledged by Kafka.",
        example={
            "taxi_id": "taxi-7",
            "pax_id": "pax-19",
            "start_time": "2026-06-01T08:00:00Z",
            "end_time": "2026-06-01T08:17:30Z",
            "pickup_zipcode": "10001",
            "dropoff_zipcode": "10002",
            "tax_amount": "1.25",
            "fare_amount": "12.50",
            "currency": "USD",
            "car_model": "Jeep",
        },
    ),
    former_settings={
        "OWNER_PASSWORD": "TAXI_OWNER_PASSWORD",
        "LOADER_PASSWORD": "TAXI_LOADER_PASSWORD",
        "FRONT_DOOR_URL": "RIDES_API_URL",
        "FRONT_DOOR_API_KEY": "RIDES_API_KEY",
    },
    former_headers={"dye-message-number": "dye-ride-number"},
)
"""The contract of rides. Tables and roles of existing installations keep these names."""
