{{ config(materialized='ephemeral') }}

select
    orders.id,
    orders.customer,
    orders.quantity,
    cast(orders.quantity * loaves.price as decimal(20, 2)) as amount,
    cast(timezone('UTC', orders.ordered_at) as date) as ordered_on
from {{ ref('stg_orders') }} as orders
inner join {{ ref('loaves') }} as loaves on orders.loaf = loaves.loaf
where orders.quantity > 0
