with source as (

    select * from "taxi"."angiogram_coffee_shop"."raw_tickets"

),

renamed as (

    select
        id as ticket_id,
        guest_id,
        opened_on,
        lower(state) as state,
        changed_at
    from source

)

select * from renamed