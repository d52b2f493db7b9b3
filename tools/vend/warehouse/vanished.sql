update {target}
set _fivetran_synced = {stamp}, _fivetran_deleted = true
where _fivetran_deleted is not true
    and {part}
    and {key} not in (select {key} from {keys} where {part})
