-- A topic that was loaded under an earlier KAFKA_TOPIC: what arrives there now is missed, unless it was given up.

create table raw.retired_topics (
    topic_id uuid primary key,
    topic text not null,
    reason text not null,
    retired_at timestamptz not null default clock_timestamp()
);
comment on table raw.retired_topics is 'Topics that were loaded once and that nobody is to load any more.';
grant select on raw.retired_topics to dbt_prod;
