{#-
    Whose are the schemas that a command would write, in a DuckDB file? It has no comments on schemas, so the dye's are
    noted in a table, which `angiogram` reads and writes too. A schema that is not noted is adopted if nothing but the
    project's relations is in it, and the file holds an expected seed or those relations are none.
-#}
{%- macro duckdb__keep_schemas_apart(also_written) -%}
    {%- set schemas = {} -%}
    {%- for node in graph.nodes.values() if node.relation_name -%}
        {%- set place = ((node.database or target.database) | lower, node.schema | lower) -%}
        {%- set schema = schemas.setdefault(place, {'names': [], 'expected': [], 'is_built': []}) -%}
        {%- do schema.names.append(node.alias | lower) -%}
        {%- if node.name.startswith('expected__') -%}{%- do schema.expected.append(node.alias | lower) -%}{%- endif -%}
        {%- if node.unique_id in selected_resources -%}{%- do schema.is_built.append(node.unique_id) -%}{%- endif -%}
    {%- endfor -%}
    {%- for relation in also_written -%}
        {%- set place = ((relation.database or target.database) | lower, relation.schema | lower) -%}
        {%- set schema = schemas.setdefault(place, {'names': [], 'expected': [], 'is_built': []}) -%}
        {%- do schema.names.append(relation.identifier | lower) -%}
        {%- do schema.expected.append(relation.identifier | lower) -%}
        {%- do schema.is_built.append(relation.identifier) -%}
    {%- endfor -%}
    {%- set found, of_a_dye = {}, [] -%}
    {%- for row in run_query(data_angiogram.duckdb_relations()) -%}
        {%- set place = (row[0], row[1]) -%}
        {%- do found.setdefault(place, []).append(row[2]) -%}
        {%- if place in schemas and row[2] in schemas[place].expected -%}{%- do of_a_dye.append(row[2]) -%}{%- endif -%}
    {%- endfor -%}
    {%- set marks = {} -%}
    {%- if 'dye_schemas' in found.get((target.database | lower, 'angiogram_marks'), []) -%}
        {%- for row in run_query('select database_name, schema_name, project, target from angiogram_marks.dye_schemas') -%}
            {%- do marks.update({(row[0], row[1]): row[2]}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set refused, adopted = [], [] -%}
    {%- for place, schema in schemas.items() if schema.is_built -%}
        {%- set strangers = found.get(place, []) | reject('in', schema.names) | sort -%}
        {%- if not data_angiogram.is_dye_target() -%}
            {%- if place in marks -%}{%- do refused.append(place[1]) -%}{%- endif -%}
        {%- elif place in marks -%}
            {%- if marks[place] != project_name -%}
                {%- do refused.append('schema ' ~ place[1] ~ ' (the dye of project ' ~ marks[place] ~ ')') -%}
            {%- endif -%}
        {%- elif strangers -%}
            {%- do refused.append(
                'schema ' ~ place[1] ~ ' (it holds ' ~ strangers[:10] | join(', ') ~ ', which this project does not build)'
            ) -%}
        {%- elif found.get(place) and not of_a_dye -%}
            {%- do refused.append(place[1] ~ '.' ~ found[place] | sort | first) -%}
        {%- else -%}
            {%- do adopted.append(place) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if refused -%}{{ data_angiogram.refuse_schemas(refused) }}{%- endif -%}
    {%- if adopted -%}
    create schema if not exists angiogram_marks;
    create table if not exists angiogram_marks.dye_schemas (
        database_name text, schema_name text, project text, target text, primary key (database_name, schema_name)
    );
    {% for place in adopted -%}
    insert or replace into angiogram_marks.dye_schemas values (
        '{{ place[0] | replace("'", "''") }}', '{{ place[1] | replace("'", "''") }}', '{{ project_name }}', '{{ target.name }}'
    );
    {% endfor -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro duckdb_relations() -%}
    select lower(database_name), lower(schema_name), lower(table_name)
    from duckdb_tables()
    where not internal and not temporary
    union all
    select lower(database_name), lower(schema_name), lower(view_name)
    from duckdb_views()
    where not internal and not temporary
{%- endmacro -%}
