-- Every rejection reason is one of the rules.

with rejected_rides as (

    select * from {{ ref('fct_rejected_rides') }}

),

reasons as (

    select
        message_id,
        unnest(string_to_array(rejection_reasons, ',')) as reason
    from rejected_rides

)

select * from reasons
where
    reason not in (
        'missing_taxi',
        'missing_passenger',
        'missing_start',
        'unreadable_start',
        'missing_end',
        'unreadable_end',
        'start_before_2024',
        'start_in_future',
        'end_before_start',
        'missing_fare',
        'unreadable_fare',
        'negative_fare',
        'missing_tax',
        'unreadable_tax',
        'negative_tax',
        'unknown_currency',
        'no_exchange_rate',
        'no_message_time'
    )
