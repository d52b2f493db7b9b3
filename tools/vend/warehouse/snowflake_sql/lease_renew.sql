update ops.sync_lease
set expires_at = dateadd(second, {seconds}, sysdate())
where owner = :owner
