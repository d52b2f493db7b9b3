update ops.sync_lease
set
    owner = :owner,
    taken_at = sysdate(),
    expires_at = dateadd(second, {seconds}, sysdate())
where owner is null or expires_at < sysdate()
