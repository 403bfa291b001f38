{% macro print_differences(results) -%}
    {%- if execute and data_angiogram.is_dye_target() -%}
        {%- for result in results -%}
            {%- set test_metadata = result.node.test_metadata -%}
            {%- if test_metadata and test_metadata.name == 'equals_expected' and result.status == 'fail' -%}
                {%- do log(result.node.name ~ ': ' ~ result.failures ~ ' differences, all in ' ~ result.node.relation_name, info=true) -%}
                {%- for row in run_query('select * from ' ~ result.node.relation_name ~ ' limit 20') -%}
                    {%- do log(
                        '  ' ~ row['difference']
                        ~ ' | key ' ~ (row['row_key'] or '-')
                        ~ ' | column ' ~ (row['column_name'] or '-')
                        ~ ' | expected ' ~ (row['expected'] or '-')
                        ~ ' | actual ' ~ (row['actual'] or '-'),
                        info=true
                    ) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
