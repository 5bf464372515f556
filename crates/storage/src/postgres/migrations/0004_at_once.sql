-- Undoes the statement that it is asked in, where what the statement expected is not so: its caller then looks first.
CREATE FUNCTION as_expected(so BOOLEAN) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    IF so THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'something is not as expected, and is now judged one by one (no fault)' USING ERRCODE = 'AT001';
END
$$;
-- What a transaction drew, for the caller who lost the answer.
ALTER TABLE commits ADD COLUMN ids BIGINT[];
