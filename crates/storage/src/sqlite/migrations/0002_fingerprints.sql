-- What a signal's repeats within a short window are recognized by. Not indexed: the writer keeps those of the last moments
-- in memory, and reads them from here when it begins.
ALTER TABLE signals ADD COLUMN fingerprint BLOB;
