-- People's views on live tables, so that a verdict names those that a live build dropped and has not made again.

create table angiogram.noted_views (
    notes text not null,
    schema_name text not null,
    name text not null,
    owner text not null,
    lost_because text,
    noted_at timestamptz not null,
    primary key (notes, schema_name, name)
);
comment on table angiogram.noted_views is
'One row per view that people made on live tables, and that the build at work, or an earlier one, dropped or may drop; written at the start and the end of each build.';
comment on column angiogram.noted_views.notes is 'The table with the statements that make the view again.';
comment on column angiogram.noted_views.lost_because is 'Why it could not be made again; null where that was not tried yet.';
comment on column angiogram.noted_views.noted_at is 'When a build first met the view.';

grant select, insert, update, delete on angiogram.noted_views to dbt_prod;
grant select on angiogram.noted_views to angiogram, marts_reader;
