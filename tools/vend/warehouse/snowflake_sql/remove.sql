remove @ops.vend_sync_stage/{path}
