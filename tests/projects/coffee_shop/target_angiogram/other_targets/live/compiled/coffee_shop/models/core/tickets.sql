

with tickets as (

    select * from "taxi"."coffee_shop"."base_tickets"
    
        where changed_at > (select max(changed_at) from "taxi"."coffee_shop"."tickets")
    

),

-- The newest state of a ticket counts.
newest as (

    select distinct on (ticket_id) *
    from tickets
    order by ticket_id, changed_at desc

),

lines as (

    select * from "taxi"."coffee_shop"."base_lines"

),

menu as (

    select * from "taxi"."coffee_shop"."menu"

),

priced as (

    select
        lines.ticket_id,
        sum(case when menu.kind = 'drink' then lines.cups else 0 end) as drink_cups,
        sum(case when menu.kind = 'food' then lines.cups else 0 end) as food_pieces,
        sum(lines.cups * menu.price_cents) as total_cents
    from lines
    inner join menu on lines.sku = menu.sku
    group by lines.ticket_id

),

final as (

    select
        newest.ticket_id,
        newest.guest_id,
        newest.opened_on,
        newest.state,
        newest.changed_at,
        coalesce(priced.drink_cups, 0) as drink_cups,
        coalesce(priced.food_pieces, 0) as food_pieces,
        coalesce(priced.total_cents, 0) as total_cents
    from newest
    left join priced on newest.ticket_id = priced.ticket_id

)

select * from final