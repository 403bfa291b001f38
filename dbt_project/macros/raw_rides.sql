{% macro raw_rides() -%}
    {%- set fields = [
        'taxi_id', 'pax_id', 'start_time', 'end_time', 'pickup_zipcode', 'dropoff_zipcode', 'tax_amount', 'fare_amount',
        'currency', 'car_model',
    ] -%}
    {%- if data_angiogram.is_dye_target() and var('dye_source') == 'seeds' -%}
    (
        select
            {% for field in fields -%}
            case when {{ field }} = '<empty>' then '' else replace({{ field }}, '<CR>', e'\r') end as {{ field }},
            {% endfor -%}
            ride_number::text as message_id,
            sent_at as message_at,
            '00000000-0000-0000-0000-000000000000'::uuid as source_topic_id,
            0 as source_partition,
            ride_number::bigint as source_offset,
            sent_at as loaded_at
        from {{ ref('dye_rides') }}
        where batch <= {{ var('dye_batches', 2) | int }}
    )
    {%- elif data_angiogram.is_dye_target() and var('dye_source') == 'topic' -%}
    (
        select
            {{ fields | join(', ') }},
            ride_number::text as message_id,
            sent_at as message_at,
            topic_id as source_topic_id,
            "partition" as source_partition,
            "offset" as source_offset,
            loaded_at
        from {{ source('angiogram_raw', 'rides_in_hand') }}
    )
    {%- elif data_angiogram.is_dye_target() -%}
    {{ exceptions.raise_compiler_error("The variable dye_source is '" ~ var('dye_source') ~ "'; set it to seeds or topic.") }}
    {%- else -%}
    (
        select
            {{ fields | join(', ') }},
            topic_id || '-' || "partition" || '-' || "offset" as message_id,
            message_at,
            topic_id as source_topic_id,
            "partition" as source_partition,
            "offset" as source_offset,
            loaded_at
        from {{ source('raw', 'taxi_rides') }}
    )
    {%- endif -%}
{%- endmacro %}
