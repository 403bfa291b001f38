{{ config(materialized='incremental', unique_key='id') }}

select
    id,
    customer,
    quantity,
    amount,
    ordered_on
from {{ ref('priced_orders') }}
{% if is_incremental() %}
where id not in (select id from {{ this }}) or quantity > 10
{% endif %}
