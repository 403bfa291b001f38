-- What compaction took away before it was loaded is lost, no offset without a message.

alter table raw.gaps
drop constraint gaps_reason_check,
add constraint gaps_reason_check check (
    reason in (
        'deleted_before_loaded', 'stored_offset_beyond_end', 'lost_by_broker', 'corrupt', 'compacted_before_loaded'
    )
);
