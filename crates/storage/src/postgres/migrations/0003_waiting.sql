-- What waits for a strategy, for the node that works on its account. Built beside the writers, so it stands alone here.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outcomes_waiting ON outcomes (strategy_id, signal_id) WHERE status = 'pending'
