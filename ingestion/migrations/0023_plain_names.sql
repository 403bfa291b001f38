-- Columns that were called after one pipeline's messages are called after what they hold. Functions that name them
-- follow by themselves.

alter table raw.unverified_dye rename column dye_ride_number to dye_message_number;
alter table raw.loaded_files rename column rides to rows;
