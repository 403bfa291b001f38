{{ config(materialized='table') }}

select
    id,
    count(*) - 1 as move_count,
    max(case when dbt_valid_to is null then town end) as town
from {{ ref('customers_over_time') }}
group by id
