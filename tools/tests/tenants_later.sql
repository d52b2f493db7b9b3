-- What the owner of the hot side makes after the barriers are up, without a word about access.
create table public.new_table as select * from public.payments;
create materialized view hot.new_view as select * from hot.mv_failed_payments;
create view reporting.new_view as select * from hot.mv_failed_payments;
create table reporting.new_table as select * from hot.mv_daily_revenue;
create function reporting.new_function() returns setof text
language sql security definer
as $$ select t::text from hot.mv_failed_payments as t $$;
create function authz.new_function() returns setof text
language sql security definer
as $$ select t::text from hot.mv_failed_payments as t $$;
-- A place where everybody may make objects, as the schema public was until Postgres 15.
create schema playground;
grant usage, create on schema playground to public;
