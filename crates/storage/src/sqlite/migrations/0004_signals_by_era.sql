-- By webhook within an era of 4,096 ids: what is stored now goes to the last pages of the index, however many webhooks
-- there are. Reading walks the eras (`eras.rs`).
DROP INDEX signals_by_webhook;
CREATE INDEX signals_by_webhook ON signals (id >> 12, webhook_id);
