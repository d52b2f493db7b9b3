select system$abort_transaction({transaction})
