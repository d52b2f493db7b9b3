update ops.sync_lease
set
    owner = null,
    taken_at = null,
    expires_at = null
where owner = :owner
