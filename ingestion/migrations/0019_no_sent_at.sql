-- A dye message may count as one without a time, as a message whose own time cannot be read does in the live tables.

alter table angiogram_raw.taxi_rides alter column sent_at drop not null;
alter table angiogram_raw.dead_letters alter column sent_at drop not null;
comment on column angiogram_raw.taxi_rides.sent_at is 'When the ride counts as sent; null: as a message without a time.';
comment on column raw.taxi_rides.message_at is
'When the message was sent, by the broker or by its sender; null: by no time between 1970 and 9999.';
