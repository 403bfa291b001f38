{{ config(materialized='view') }}

select
    id,
    lower(trim(customer)) as customer,
    loaf,
    try_cast(quantity as integer) as quantity,
    ordered_at
from {{ raw_orders() }}
