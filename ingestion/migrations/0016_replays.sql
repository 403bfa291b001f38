-- A dead letter is claimed before it is published again, so that it is never published twice: not by two commands at
-- once, and not after one was killed before it could note what Kafka had taken.

create table raw.replays (
    topic_id uuid not null,
    "partition" int not null,
    "offset" bigint not null,
    replay_id uuid not null unique,
    into_topic text not null,
    into_topic_id uuid not null,
    end_offsets bigint [] not null,
    claimed_at timestamptz not null default clock_timestamp(),
    into_partition int,
    into_offset bigint,
    published_at timestamptz,
    primary key (topic_id, "partition", "offset"),
    foreign key (topic_id, "partition", "offset")
    references raw.dead_letters (topic_id, "partition", "offset") on delete cascade,
    check (num_nulls(into_partition, into_offset, published_at) in (0, 3))
);
comment on table raw.replays is 'One row per dead letter that was published again, or is about to be.';
comment on column raw.replays.replay_id is 'The header replay-id of the message: by it the message is found on the topic.';
comment on column raw.replays.end_offsets is
'Where each partition of the topic ended before: what was published under this claim lies behind.';
comment on column raw.replays.into_topic is 'Its own topic, by name; of a file the file itself, whose partition 1 holds such rows.';
comment on column raw.replays.published_at is 'When it was known to be there; null: not yet, or a command was killed.';
