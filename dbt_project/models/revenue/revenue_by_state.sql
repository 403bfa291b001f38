with daily_revenue as (

    select * from {{ ref('daily_revenue') }}

),

final as (

    select
        pickup_state,
        currency,
        sum(ride_count)::bigint as ride_count,
        sum(fare_amount) as fare_amount,
        sum(tax_amount) as tax_amount,
        sum(revenue_amount) as revenue_amount,
        sum(revenue_usd_amount) as revenue_usd_amount
    from daily_revenue
    group by pickup_state, currency

)

select * from final
