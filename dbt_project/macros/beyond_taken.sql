{% macro beyond_taken(messages) -%}
    not exists (
        select 1
        from (
            select
                source_topic_id,
                source_partition,
                max(source_offset) as highest_offset
            from {{ this }}
            group by source_topic_id, source_partition
        ) as taken
        where
            taken.source_topic_id = {{ messages }}.source_topic_id
            and taken.source_partition = {{ messages }}.source_partition
            and taken.highest_offset >= {{ messages }}.source_offset
    )
{%- endmacro %}
