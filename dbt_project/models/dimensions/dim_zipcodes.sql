with zipcodes as (

    select * from {{ ref('zipcodes') }}

),

final as (

    select
        zipcode,
        state
    from zipcodes

)

select * from final
