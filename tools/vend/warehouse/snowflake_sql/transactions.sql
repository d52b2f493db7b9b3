show transactions
