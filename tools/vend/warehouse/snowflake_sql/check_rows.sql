select
    count(*),
    count({key}),
    count(distinct {key}),
    {watermark}
from ops.{name}
