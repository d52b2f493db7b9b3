update {target}
set _fivetran_synced = {stamp}, _fivetran_deleted = true
where not _fivetran_deleted
    and {part}
    and {key} not in (select {key} from {keys} where {part})
