{{ config(materialized='table') }}

select
    ordered_on,
    count(*) as order_count,
    cast(sum(amount) as decimal(38, 2)) as amount,
    list(distinct customer order by customer) as customers
from {{ ref('orders') }}
group by ordered_on
