with rides as (

    select * from {{ ref('fct_rides') }}

),

-- Dollars are exact for each ride and rounded here, once: the revenue_by_* models add up the rounded.
final as (

    select
        trip_date,
        pickup_state,
        car_model,
        currency,
        count(*) as ride_count,
        sum(fare_amount) as fare_amount,
        sum(tax_amount) as tax_amount,
        sum(revenue_amount) as revenue_amount,
        round(sum(revenue_usd_amount), 2) as revenue_usd_amount
    from rides
    group by trip_date, pickup_state, car_model, currency

)

select * from final
