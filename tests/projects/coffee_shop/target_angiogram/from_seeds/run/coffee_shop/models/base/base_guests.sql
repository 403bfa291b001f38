
  create view "taxi"."angiogram_coffee_shop"."base_guests__dbt_tmp"
    
    
  as (
    with source as (

    select * from "taxi"."angiogram_coffee_shop"."raw_guests"

),

renamed as (

    select
        id as guest_id,
        trim(full_name) as guest_name
    from source

)

select * from renamed
  );