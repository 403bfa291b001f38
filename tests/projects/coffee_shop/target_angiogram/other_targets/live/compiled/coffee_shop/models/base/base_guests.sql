with source as (

    select * from "taxi"."shop"."guests"

),

renamed as (

    select
        id as guest_id,
        trim(full_name) as guest_name
    from source

)

select * from renamed