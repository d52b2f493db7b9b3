select count(*)
from raw.{table}
where _fivetran_deleted is distinct from true
