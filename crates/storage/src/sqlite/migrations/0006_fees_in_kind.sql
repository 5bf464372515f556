-- What a venue kept of the traded goods themselves as its fee: of a fill, and of what a position holds.
ALTER TABLE fills ADD COLUMN fee_qty TEXT NOT NULL DEFAULT '0';
ALTER TABLE positions ADD COLUMN fee_qty TEXT NOT NULL DEFAULT '0';
