select
    left({key}, {length}),
    count(*),
    sum(bitand(md5_number_lower64({text}), 1152921504606846975))
from raw.{table}
where _fivetran_deleted is distinct from true{among}
group by 1
