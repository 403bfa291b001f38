
      -- back compat for old kwarg name
  
  
        
            
            
            
            
        
    

    

    merge into "taxi"."angiogram_coffee_shop"."tickets" as DBT_INTERNAL_DEST
        using "tickets__dbt_tmp173442293369" as DBT_INTERNAL_SOURCE
        on ((DBT_INTERNAL_SOURCE.ticket_id = DBT_INTERNAL_DEST.ticket_id))

    
    when matched then update set
        "ticket_id" = DBT_INTERNAL_SOURCE."ticket_id","guest_id" = DBT_INTERNAL_SOURCE."guest_id","opened_on" = DBT_INTERNAL_SOURCE."opened_on","state" = DBT_INTERNAL_SOURCE."state","changed_at" = DBT_INTERNAL_SOURCE."changed_at","drink_cups" = DBT_INTERNAL_SOURCE."drink_cups","food_pieces" = DBT_INTERNAL_SOURCE."food_pieces","total_cents" = DBT_INTERNAL_SOURCE."total_cents"
    

    when not matched then insert
        ("ticket_id", "guest_id", "opened_on", "state", "changed_at", "drink_cups", "food_pieces", "total_cents")
    values
        ("ticket_id", "guest_id", "opened_on", "state", "changed_at", "drink_cups", "food_pieces", "total_cents")


  