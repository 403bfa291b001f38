{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        indexes=[{'columns': ['ride_id']}],
    )
}}

with rides as (

    select * from {{ ref('stg_taxi__rides') }}

),

car_models as (

    select * from {{ ref('car_models') }}

),

exchange_rates as (

    select * from {{ ref('exchange_rates') }}

),

zipcodes as (

    select * from {{ ref('dim_zipcodes') }}

),

rides_to_take as (

    select
        *,
        (started_at at time zone 'UTC')::date as trip_date
    from rides
    {% if is_incremental() %}
        where {{ beyond_taken('rides') }}
    {% endif %}

),

known_currencies as (

    select distinct currency
    from exchange_rates

),

rate_periods as (

    select
        currency,
        usd_rate,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from) as valid_until
    from exchange_rates

),

looked_up as (

    select
        rides_to_take.*,
        rate_periods.usd_rate,
        known_currencies.currency is not null as is_known_currency,
        coalesce(zipcodes.state, 'UNKNOWN') as pickup_state,
        coalesce(car_models.car_model, rides_to_take.car_model, 'UNKNOWN') as reference_car_model
    from rides_to_take
    left join zipcodes on rides_to_take.pickup_zipcode = zipcodes.zipcode
    left join car_models
        on {{ comparable_car_model('rides_to_take.car_model') }} = {{ comparable_car_model('car_models.car_model') }}
    left join known_currencies on rides_to_take.currency = known_currencies.currency
    left join rate_periods
        on
            rides_to_take.currency = rate_periods.currency
            and rides_to_take.trip_date >= rate_periods.valid_from
            and (rides_to_take.trip_date < rate_periods.valid_until or rate_periods.valid_until is null)

),

checked as (

    select
        *,
        nullif(
            concat_ws(
                ',',
                case when taxi_id is null then 'missing_taxi' end,
                case when pax_id is null then 'missing_passenger' end,
                case when start_time_text is null then 'missing_start' end,
                case when start_time_text is not null and started_at is null then 'unreadable_start' end,
                case when end_time_text is null then 'missing_end' end,
                case when end_time_text is not null and ended_at is null then 'unreadable_end' end,
                case when started_at < '2024-01-01T00:00:00Z'::timestamptz then 'start_before_2024' end,
                case when started_at > message_at + interval '24 hours' then 'start_in_future' end,
                case when ended_at < started_at then 'end_before_start' end,
                case when fare_amount_text is null then 'missing_fare' end,
                case when fare_amount_text is not null and fare_amount is null then 'unreadable_fare' end,
                case when fare_amount < 0 then 'negative_fare' end,
                case when tax_amount_text is null then 'missing_tax' end,
                case when tax_amount_text is not null and tax_amount is null then 'unreadable_tax' end,
                case when tax_amount < 0 then 'negative_tax' end,
                case when not is_known_currency then 'unknown_currency' end,
                case when is_known_currency and trip_date is not null and usd_rate is null then 'no_exchange_rate' end,
                case when message_at is null then 'no_message_time' end
            ),
            ''
        ) as rejection_reasons
    from looked_up

),

final as (

    select
        message_id,
        ride_id,
        taxi_id,
        pax_id,
        pickup_zipcode,
        dropoff_zipcode,
        pickup_state,
        currency,
        reference_car_model as car_model,
        start_time_text,
        end_time_text,
        fare_amount_text,
        tax_amount_text,
        rejection_reasons,
        fare_amount,
        tax_amount,
        usd_rate,
        rejection_reasons is null as is_valid,
        trip_date,
        started_at,
        ended_at,
        message_at,
        source_topic_id,
        source_partition,
        source_offset,
        loaded_at
    from checked

)

select * from final
