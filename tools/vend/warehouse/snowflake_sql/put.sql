put '{file}' @ops.vend_sync_stage/{path}/
    parallel = 4
    auto_compress = false
    source_compression = none
    overwrite = true
