{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
    )
}}

with source as (

    select * from {{ raw_rides() }} as raw_rides

),

messages_to_take as (

    select * from source
    {% if is_incremental() %}
        where {{ beyond_taken('source') }}
    {% endif %}

),

trimmed as (

    select
        message_id,
        {{ trimmed('taxi_id') }} as taxi_id,
        {{ trimmed('pax_id') }} as pax_id,
        {{ trimmed('pickup_zipcode') }} as pickup_zipcode_text,
        {{ trimmed('dropoff_zipcode') }} as dropoff_zipcode_text,
        upper({{ trimmed('currency') }}) as currency,
        {{ trimmed('car_model') }} as car_model,
        {{ trimmed('start_time') }} as start_time_text,
        {{ trimmed('end_time') }} as end_time_text,
        {{ trimmed('fare_amount') }} as fare_amount_text,
        {{ trimmed('tax_amount') }} as tax_amount_text,
        message_at,
        source_topic_id,
        source_partition,
        source_offset,
        loaded_at
    from messages_to_take

),

renamed as (

    select
        *,
        {{ readable_zipcode('pickup_zipcode_text') }} as pickup_zipcode,
        {{ readable_zipcode('dropoff_zipcode_text') }} as dropoff_zipcode,
        {{ readable_amount('fare_amount_text') }} as fare_amount,
        {{ readable_amount('tax_amount_text') }} as tax_amount,
        {{ readable_timestamp('start_time_text') }} as started_at,
        {{ readable_timestamp('end_time_text') }} as ended_at
    from trimmed

),

final as (

    select
        message_id,
        {{ ride_id('taxi_id', 'pax_id', 'started_at') }} as ride_id,
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
        fare_amount,
        tax_amount,
        started_at,
        ended_at,
        message_at,
        source_topic_id,
        source_partition,
        source_offset,
        loaded_at
    from renamed

)

select * from final
