-- What a venue kept of the traded goods themselves as its fee.
ALTER TABLE fills ADD COLUMN fee_qty TEXT NOT NULL DEFAULT '0';
