{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='ride_id',
        on_schema_change='fail',
        indexes=[{'columns': ['ride_id'], 'unique': true}],
    )
}}

with checked_rides as (

    select * from {{ ref('int_rides__checked') }}

),

valid_rides as (

    select * from checked_rides
    where is_valid

),

touched_rides as (

    select distinct ride_id
    from valid_rides
    {% if is_incremental() %}
        where {{ beyond_taken('valid_rides') }}
    {% endif %}

),

-- All messages of a touched ride, taken before or now: an older version may come in after a newer one.
ranked_versions as (

    select
        valid_rides.*,
        row_number() over (
            partition by valid_rides.ride_id
            order by
                valid_rides.message_at desc,
                valid_rides.source_partition desc,
                valid_rides.source_offset desc,
                valid_rides.source_topic_id desc
        ) as newness
    from valid_rides
    inner join touched_rides on valid_rides.ride_id = touched_rides.ride_id

),

newest_versions as (

    select
        *,
        fare_amount + tax_amount as revenue_amount
    from ranked_versions
    where newness = 1

),

final as (

    select
        ride_id,
        message_id,
        taxi_id,
        pax_id,
        pickup_zipcode,
        dropoff_zipcode,
        pickup_state,
        currency,
        car_model,
        fare_amount,
        tax_amount,
        revenue_amount,
        usd_rate,
        revenue_amount * usd_rate as revenue_usd_amount,
        trip_date,
        started_at,
        ended_at,
        message_at,
        source_topic_id,
        source_partition,
        source_offset
    from newest_versions

)

select * from final
