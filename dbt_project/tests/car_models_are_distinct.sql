-- No two spellings of the reference are the same car model: a ride would count twice.

with car_models as (

    select * from {{ ref('car_models') }}

)

select {{ comparable_car_model('car_model') }} as comparable
from car_models
group by 1
having count(*) > 1
