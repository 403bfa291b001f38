{{ config(materialized='view') }}

select
    id,
    name,
    town
from {{ raw_customers() }}
qualify row_number() over (partition by id order by changed_on desc) = 1
