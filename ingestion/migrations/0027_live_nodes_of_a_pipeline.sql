-- What production last built belongs to a pipeline, too: a build replaces what its own pipeline noted, and no other's.
--
-- A build says its pipeline in the setting `angiogram.pipeline`. One whose macros are from before says none: its rows, as
-- all from before, carry no name, and it may replace such rows alone. The next build with today's macros puts its name to
-- those of its project. Every session may read the rows of all pipelines: no dye may overwrite what any of them built.

alter table angiogram.live_nodes
    add column pipeline text not null default '',
    add column node_id text not null generated always as (substr(unique_id, strpos(unique_id, ':') + 1)) stored;
comment on column angiogram.live_nodes.unique_id is
'dbt''s id of the node, after the name of the pipeline and a colon: two pipelines may build one package.';
comment on column angiogram.live_nodes.node_id is 'The id that dbt gives the node.';
comment on column angiogram.live_nodes.pipeline is 'Name of the dbt project whose build noted the node; empty: not known.';
comment on table angiogram.live_nodes is
'One row per pipeline and model or reference seed of target prod, as it was last built; written at the end of each dbt command.';

alter table angiogram.live_nodes enable row level security;
create policy of_all on angiogram.live_nodes using (true);
create policy deleted_by_its_own on angiogram.live_nodes as restrictive for delete
using (pipeline in ('', coalesce(current_setting('angiogram.pipeline', true), '')));
create policy changed_by_its_own on angiogram.live_nodes as restrictive for update
using (pipeline in ('', coalesce(current_setting('angiogram.pipeline', true), '')));
