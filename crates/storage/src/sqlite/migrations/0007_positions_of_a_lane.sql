-- What is held on an account of a symbol, for the lane that opens there.
CREATE INDEX positions_by_lane ON positions (broker_account_id, symbol);
