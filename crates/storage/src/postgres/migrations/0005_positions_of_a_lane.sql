-- What is held on an account of a symbol, for the lane that opens there. Built beside the writers, so it stands alone here.
CREATE INDEX CONCURRENTLY IF NOT EXISTS positions_by_lane ON positions (broker_account_id, symbol)
