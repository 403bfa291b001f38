{% macro keep_dye_apart(also_written=[]) -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set nodes = graph.nodes.values() | list -%}
    {%- if not data_angiogram.is_dye_target() -%}
        {%- set seeds = [] -%}
        {%- for node in nodes if node.resource_type == 'seed' and data_angiogram.is_dye_seed(node) -%}
            {%- do seeds.append(node.name) -%}
        {%- endfor -%}
        {%- if seeds -%}
            {{ exceptions.raise_compiler_error(
                'Target ' ~ target.name ~ ' is not a dye target, but these dye seeds are enabled: ' ~ seeds | sort | join(', ')
                ~ '. They would replace live rows, so nothing was built. In dbt_project.yml, make their +enabled true only '
                ~ 'under the dye targets (by target.name), or give a seed that is not dye +meta: {dye: false}.'
            ) }}
        {%- endif -%}
    {%- endif -%}
    {%- if data_angiogram.is_dye_target() -%}
        {%- set functions = [] -%}
        {%- for node in graph.get('functions', {}).values() if node.unique_id in selected_resources -%}
            {%- do functions.append(node.name) -%}
        {%- endfor -%}
        {%- if functions -%}
            {{ exceptions.raise_compiler_error(
                'Target ' ~ target.name ~ ' would build functions: ' ~ functions | sort | join(', ') ~ '. Nothing prevents '
                ~ 'the dye\'s functions from replacing live ones, so nothing was built. Write them as macros, or disable those '
                ~ 'that no model calls (`enabled`) under this target.'
            ) }}
        {%- endif -%}
    {%- endif -%}
    {{- adapter.dispatch('keep_schemas_apart', 'data_angiogram')(also_written) -}}
{%- endmacro %}

{#- Nothing is known of such an engine's schemas: `angiogram` looks at more before it builds. -#}
{% macro default__keep_schemas_apart(also_written) -%}
{%- endmacro %}

{% macro postgres__keep_schemas_apart(also_written) -%}
    {%- set nodes = graph.nodes.values() | list -%}
    {#- `angiogram` looks at more than this hook can before it builds: the other targets, and what the tables hold. -#}
    {%- set is_checked = var('dye_source', 'seeds') == 'topic' or var('dye_batches', none) -%}
    {%- set asked = {
        'project': project_name, 'target': target.name, 'own': [], 'is_alike': false, 'relations': [], 'built_before': [],
        'own_beginnings': [target.name, target.schema] if is_checked else [target.name], 'live': [],
        'perhaps_live': none if is_checked else target.schema,
    } -%}
    {%- for node in nodes if node.relation_name -%}
        {%- do asked.relations.append({
            'relation': node.relation_name,
            'is_expected': node.name.startswith('expected__'),
            'is_built': node.unique_id in selected_resources,
        }) -%}
    {%- endfor -%}
    {%- if data_angiogram.is_dye_target() -%}
        {#- `angiogram` gives dye_batches where it builds from the input seeds, and holds the lock itself. -#}
        {%- if var('dye_source', 'seeds') == 'seeds' and not var('dye_batches', none) -%}
            {%- set holders = run_query(data_angiogram.tables_lock_holders()) -%}
            {%- if holders | length -%}
                {{ exceptions.raise_compiler_error(
                    'Session ' ~ holders.rows[0][0] ~ ' builds the models from the input seeds (`angiogram run --from-seeds` or '
                    ~ '`angiogram accept`). Nothing was built. Retry when that is done.'
                ) }}
            {%- endif -%}
        {%- endif -%}
        {%- for relation in also_written -%}
            {%- do asked.relations.append({'relation': relation | string, 'is_expected': false, 'is_built': true}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if not asked.relations -%}
        {{ return('') }}
    {%- endif -%}
    {%- set schemas = run_query(data_angiogram.dye_schemas(asked)).rows | selectattr('is_built') | list -%}
    {%- set refused = [] -%}
    {%- set marks = [] -%}
    {%- for schema in schemas -%}
        {%- if not data_angiogram.is_dye_target() and schema['marked_for'] -%}
            {%- do refused.append(schema['schema_name']) -%}
        {%- elif data_angiogram.is_dye_target() and schema['state'] in ('foreign', 'other_project') -%}
            {%- do refused.append(schema['told']) -%}
        {%- elif data_angiogram.is_dye_target() and schema['state'] in ('empty', 'adopted') and schema['is_owner'] -%}
            {%- do marks.append(
                'comment on schema ' ~ adapter.quote(schema['schema_name']) ~ ' is '
                ~ dbt.string_literal(dbt.escape_single_quotes(schema['marked_comment']))
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if refused -%}{{ data_angiogram.refuse_schemas(refused) }}{%- endif -%}
    {%- if marks -%}
    {#- Two dbt commands may start at once. -#}
    select pg_advisory_xact_lock(hashtext('angiogram'), hashtext('marks'));
    {{ marks | join(';\n    ') }}
    {%- endif -%}
{%- endmacro %}

{#- Stop the command, because schemas are not those of this target. -#}
{% macro refuse_schemas(refused) -%}
    {%- if not data_angiogram.is_dye_target() -%}
        {{ exceptions.raise_compiler_error(
            'Target ' ~ target.name ~ ' is not a dye target, but would build in schemas of the dye: '
            ~ refused | join(', ') ~ '. The next dye run would drop it, so nothing was built. Give this target or the dye '
            ~ 'its own schemas.'
        ) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            'Target ' ~ target.name ~ ' would overwrite what the dye did not create: ' ~ refused | join('; ')
            ~ '. Nothing was built. Give the dye its own schemas: generate_schema_name should prefix the schema with the dye '
            ~ 'target\'s name. If an earlier dye run left relations there, drop them, or run '
            ~ '`angiogram run --from-seeds`, which checks whose they are.'
        ) }}
    {%- endif -%}
{%- endmacro %}

{% macro tables_lock_holders() -%}
    select pid
    from pg_catalog.pg_locks
    where
        locktype = 'advisory'
        and granted
        and objsubid = 2
        and database = (select oid from pg_catalog.pg_database where datname = current_database())
        and classid::bigint = hashtext('angiogram')::bigint & 4294967295
        and objid::bigint = hashtext('tables {{ project_name }}')::bigint & 4294967295
{%- endmacro %}
