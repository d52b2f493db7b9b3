select count(*)
from raw.{table}
where not _fivetran_deleted
