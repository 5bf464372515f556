-- What a signal's repeats within a short window are recognized by. Not indexed: the writer keeps those of the last moments
-- in memory, and reads them from here when it begins.
ALTER TABLE signals ADD COLUMN fingerprint BLOB;

-- By webhook within an era of 4,096 ids: what is stored now goes to the last pages of the index, however many webhooks
-- there are. Reading walks the eras (`eras.rs`).
DROP INDEX signals_by_webhook;
CREATE INDEX signals_by_webhook ON signals (id >> 12, webhook_id);
