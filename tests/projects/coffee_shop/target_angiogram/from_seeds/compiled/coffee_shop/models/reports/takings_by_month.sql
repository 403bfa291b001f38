with tickets as (

    select * from "taxi"."angiogram_coffee_shop"."tickets"

),

final as (

    select
        date_trunc('month', opened_on)::date as month,
        count(*) as tickets,
        sum(total_cents) / 100.0 as takings
    from tickets
    where state = 'paid' and total_cents > 0
    group by date_trunc('month', opened_on)::date

)

select * from final