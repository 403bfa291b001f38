-- Each message taken is exactly one of accepted, superseded, rejected; and every raw row up to the highest offset taken
-- of its topic id and partition was taken. Rows that the loader has added since the build lie beyond it.

with raw_rides as (

    select * from {{ raw_rides() }} as source

),

staged_rides as (

    select * from {{ ref('stg_taxi__rides') }}

),

checked_rides as (

    select * from {{ ref('int_rides__checked') }}

),

accepted_rides as (

    select * from {{ ref('fct_rides') }}

),

rejected_rides as (

    select * from {{ ref('fct_rejected_rides') }}

),

taken as (

    select
        source_topic_id,
        source_partition,
        max(source_offset) as highest_offset
    from staged_rides
    group by source_topic_id, source_partition

),

superseded_rides as (

    select checked_rides.*
    from checked_rides
    inner join accepted_rides on checked_rides.ride_id = accepted_rides.ride_id
    where
        checked_rides.is_valid
        and (checked_rides.source_topic_id, checked_rides.source_partition, checked_rides.source_offset)
        <> (accepted_rides.source_topic_id, accepted_rides.source_partition, accepted_rides.source_offset)

),

counted as (

    select
        (select count(*) from staged_rides) as staged,
        (select count(*) from accepted_rides) as accepted,
        (select count(*) from superseded_rides) as superseded,
        (select count(*) from rejected_rides) as rejected,
        (
            select count(*)
            from raw_rides
            inner join taken
                on
                    raw_rides.source_topic_id = taken.source_topic_id
                    and raw_rides.source_partition = taken.source_partition
                    and raw_rides.source_offset <= taken.highest_offset
        ) as stored

)

select * from counted
where staged <> stored or staged <> accepted + superseded + rejected
