-- The low 60 bits of md5, so the sum over any number of rows fits NUMBER(38).
select coalesce(sum(bitand(md5_number_lower64({text}), 1152921504606846975)), 0)
from raw.{table}
where _fivetran_synced = :stamp and _fivetran_deleted is distinct from true
