-- Every difference that a run found, for whoever wants more than the report shows.

create table angiogram.differences (
    run_id text not null references angiogram.runs on delete cascade,
    stage text not null,
    number bigint not null,
    difference text not null check (difference in ('missing', 'unexpected', 'changed', 'multiplicity')),
    row_key jsonb,
    column_name text,
    expected text,
    actual text,
    rides text [] not null default '{}',
    primary key (run_id, stage, number)
);
comment on table angiogram.differences is 'One row per difference between what a stage made in a run and what is expected of it.';
comment on column angiogram.differences.number is 'Its place among those of its stage, from 1.';
comment on column angiogram.differences.row_key is 'Key of the row, by column; null where whole columns differ.';
comment on column angiogram.differences.column_name is 'The column that differs; null where whole rows do.';
comment on column angiogram.differences.expected is 'JSON text of the cell or row, of multiplicity the count, of columns the type.';
comment on column angiogram.differences.actual is 'As expected; null if there is nothing on that side.';
comment on column angiogram.differences.rides is 'Names of the dye rides that feed the row.';

grant select, insert, update, delete on angiogram.differences to angiogram;
grant select on angiogram.differences to marts_reader;
