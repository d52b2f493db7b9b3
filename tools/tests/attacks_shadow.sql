create temporary table garage_admins as select %(me)s::uuid as user_id, id as garage_id from generate_series(0, 9), lateral (
    select gen_random_uuid() as id
) as made_up;
create temporary table users as select %(me)s::uuid as id, 'super_admin'::text as role;
create temporary table login_user as select session_user as login, %(me)s::uuid as user_id;
create temporary table garages as select gen_random_uuid() as id;
create temporary table pg_roles as select 'vend_app'::name as rolname, 10::oid as oid;
-- next
create function playground.yes(uuid, uuid) returns boolean language sql as 'select true';
create operator playground.= (leftarg = uuid, rightarg = uuid, function = playground.yes);
-- next
create function playground.yes(name, name) returns boolean language sql as 'select true';
create operator playground.= (leftarg = name, rightarg = name, function = playground.yes);
-- next
create function playground.pg_has_role(name, name, text) returns boolean language sql as 'select true';
create function playground.pg_has_role(name, oid, text) returns boolean language sql as 'select true';
-- next
create function playground.current_setting(text) returns text language sql as $$ select %(owner)s::text $$;
create function playground.current_setting(text, boolean) returns text language sql as $$ select %(owner)s::text $$;
