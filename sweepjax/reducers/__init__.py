"""One file a reducer: tables to tables, in one pass, with memory that does not grow with the rows."""
