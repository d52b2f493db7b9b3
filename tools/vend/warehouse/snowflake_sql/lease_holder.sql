select
    owner,
    taken_at,
    expires_at
from ops.sync_lease
