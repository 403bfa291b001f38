{#- dbt's own table, but for one thing: a published one stays as it is while the marts are held. -#}
{% materialization table, adapter='postgres' %}
    {%- if config.get('meta', {}).get('published') -%}
        {%- set reason = held_because() -%}
        {%- set published = load_cached_relation(this) -%}
        {%- if reason and published is not none -%}
            {%- do log(this.identifier ~ ' stays as it is: ' ~ reason, info=true) -%}
            {%- call noop_statement('main', held_message()) -%}
                {{ sql }}
            {%- endcall -%}
            {{ return({'relations': [published]}) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(dbt.materialization_table_default()) }}
{% endmaterialization %}
