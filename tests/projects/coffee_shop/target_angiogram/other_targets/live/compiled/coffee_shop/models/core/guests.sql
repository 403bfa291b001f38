with guests as (

    select * from "taxi"."coffee_shop"."base_guests"

),

paid as (

    select * from "taxi"."coffee_shop"."tickets"
    where state = 'paid'

),

visits as (

    select
        guest_id,
        count(*) as tickets,
        min(opened_on) as first_visit,
        max(opened_on) as latest_visit,
        sum(total_cents) / 100.0 as spent
    from paid
    group by guest_id

),

final as (

    select
        guests.guest_id,
        guests.guest_name,
        coalesce(visits.tickets, 0) as tickets,
        visits.first_visit,
        visits.latest_visit,
        coalesce(round(visits.spent, 2), 0) as spent,
        coalesce(visits.tickets >= 3, false) as is_regular
    from guests
    left join visits on guests.guest_id = visits.guest_id

)

select * from final