-- When a dead letter was published again, so that it is not published twice.

alter table raw.dead_letters add column replayed_at timestamptz;
comment on column raw.dead_letters.replayed_at is 'When the message (or what it was corrected to) was published again; null: never.';
