-- Which column of a mart counts accepted messages, so that `angiogram live` can compare facts and marts.

alter table angiogram.live_nodes add column counts text;
comment on column angiogram.live_nodes.counts is
'Column whose sum over all rows is the number of accepted messages (meta.counts of the model); null if none.';
comment on column angiogram.live_nodes.accounts_for is
'Which messages its rows account for: taken, checked, accepted, rejected; null if none.';
