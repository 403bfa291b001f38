{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
    )
}}

with checked_rides as (

    select * from {{ ref('int_rides__checked') }}

),

rejected_rides as (

    select * from checked_rides
    where
        not is_valid
        {% if is_incremental() %}
            and {{ beyond_taken('checked_rides') }}
        {% endif %}

),

final as (

    select
        message_id,
        ride_id,
        taxi_id,
        pax_id,
        pickup_zipcode,
        dropoff_zipcode,
        currency,
        car_model,
        start_time_text,
        end_time_text,
        fare_amount_text,
        tax_amount_text,
        rejection_reasons,
        message_at,
        source_topic_id,
        source_partition,
        source_offset
    from rejected_rides

)

select * from final
