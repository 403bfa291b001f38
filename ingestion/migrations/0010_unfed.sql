-- A row that a wrong expected seed alone has is fed by no dye ride, which is told; of a row that nobody could trace
-- nothing is.

alter table angiogram.differences add column unfed boolean not null default false;
comment on column angiogram.differences.unfed is 'Whether no dye ride feeds the row: only the expected seed has it.';
