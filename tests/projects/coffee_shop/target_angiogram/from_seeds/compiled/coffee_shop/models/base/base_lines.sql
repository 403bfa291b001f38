with source as (

    select * from "taxi"."angiogram_coffee_shop"."raw_lines"

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