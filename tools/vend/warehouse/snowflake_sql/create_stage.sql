create stage if not exists ops.vend_sync_stage
