-- When a message was really heard, where the clock that dated it was ahead and has been put right since.
alter table inbox add column heard_at timestamptz;
