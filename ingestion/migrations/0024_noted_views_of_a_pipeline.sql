-- The views that live builds drop carry the name of their pipeline, too: a verdict names those of its own.
--
-- What is noted already belongs to the pipeline that migrates. A build from before says no name: its notes are shown to
-- every pipeline until the next build writes them again.

alter table angiogram.noted_views
    add column pipeline text not null default coalesce(current_setting('angiogram.pipeline', true), '');
alter table angiogram.noted_views
    drop constraint noted_views_pkey,
    add primary key (pipeline, notes, schema_name, name);
comment on column angiogram.noted_views.pipeline is 'Name of the dbt project whose build noted the view.';

alter table angiogram.noted_views enable row level security;
create policy of_one_pipeline on angiogram.noted_views using (angiogram.is_seen(pipeline));
