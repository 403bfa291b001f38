with days as (

    select day::date as date_day
    from generate_series('2024-01-01'::timestamp, '{{ var("last_day") }}'::timestamp, interval '1 day') as series (day)

),

final as (

    select
        date_day,
        extract(year from date_day)::integer as year,
        extract(quarter from date_day)::integer as quarter,
        extract(month from date_day)::integer as month,
        extract(day from date_day)::integer as day_of_month,
        extract(week from date_day)::integer as iso_week,
        extract(isodow from date_day)::integer as iso_weekday,
        extract(isodow from date_day) in (6, 7) as is_weekend
    from days

)

select * from final
