-- Every revenue model adds up to the same rides and dollars as the rides it comes from. Marts that are held stay behind
-- the rides, and agree with each other all the same.

{% set held = data_angiogram.held_because() is not none %}

with rides as (

    select count(*) as ride_count
    from {{ ref('fct_rides') }}

),

daily_totals as (

    select
        coalesce(sum(ride_count), 0) as ride_count,
        coalesce(sum(revenue_usd_amount), 0) as revenue_usd_amount
    from {{ ref('daily_revenue') }}

),

totals as (

    {% for model in ['revenue_by_car_model', 'revenue_by_state', 'revenue_by_date', 'revenue_by_currency'] %}
        select
            '{{ model }}' as model_name,
            coalesce(sum(ride_count), 0) as ride_count,
            coalesce(sum(revenue_usd_amount), 0) as revenue_usd_amount
        from {{ ref(model) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

)

select totals.*
from totals
cross join daily_totals
cross join rides
where
    totals.ride_count <> daily_totals.ride_count
    {% if not held %}
        or totals.ride_count <> rides.ride_count
    {% endif %}
    or totals.revenue_usd_amount <> daily_totals.revenue_usd_amount
