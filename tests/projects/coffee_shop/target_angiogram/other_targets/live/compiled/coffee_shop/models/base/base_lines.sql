with source as (

    select * from "taxi"."shop"."lines"

),

renamed as (

    select
        id as line_id,
        ticket_id,
        sku,
        cups
    from source
    where cups > 0

)

select * from renamed